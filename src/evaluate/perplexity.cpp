#include "evaluate/perplexity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "evaluate/statistics.h"
#include "ops/activation.h"

namespace hearth::evaluate {

namespace {

constexpr std::size_t batch_tokens = 1024;                    // of several chunks, side by side
constexpr std::size_t logits_bytes = std::size_t{256} << 20;  // log-probabilities in memory, of each model

// One model over a few chunks at once.
class Runner {
 public:
  Runner(engine::Engine& engine, std::size_t context, std::size_t chunks)
      : engine_(engine), width_(engine.model().vocabulary_size()) {
    for (std::size_t i = 0; i < chunks; ++i)
      caches_.push_back(engine.model().new_cache(context, engine.options().kv_type));
  }

  void restart() {
    for (const auto& cache : caches_) cache->truncate(0);
  }
  // Runs the same stretch of every chunk; with `scored`, keeps the log-probabilities after each of its tokens.
  void forward(std::span<const std::span<const Token>> stretches, bool scored) {
    std::vector<model::Segment> segments;
    std::size_t rows = 0;
    for (std::size_t i = 0; i < stretches.size(); ++i) {
      segments.push_back({.cache = caches_[i].get(),
                          .tokens = stretches[i],
                          .want = scored ? model::Segment::Want::all : model::Segment::Want::none});
      rows += scored ? stretches[i].size() : 0;
    }
    logits_.resize(std::max(logits_.size(), rows * width_));
    const tensor::Rows out(logits_.data(), rows, width_);
    engine_.forward(segments, out, {.care = ops::Care::everyone});
    if (scored) engine_.with_threads([&](ThreadPool& pool) { ops::log_softmax(pool, out); });
  }
  std::span<const float> row(std::size_t index) const { return {logits_.data() + index * width_, width_}; }

 private:
  engine::Engine& engine_;
  std::vector<std::unique_ptr<model::KvCache>> caches_;
  std::size_t width_;
  std::vector<float> logits_;
};

std::size_t likeliest(std::span<const float> row) {
  return std::size_t(std::max_element(row.begin(), row.end()) - row.begin());
}

// KL(p || q) of log-probabilities.
double divergence(std::span<const float> p, std::span<const float> q) {
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i)
    if (p[i] > -40) sum += std::exp(double(p[i])) * double(p[i] - q[i]);
  return std::max(sum, 0.0);
}

class Tally {
 public:
  // What the rows from `first` on say of the tokens that came.
  void add(engine::Engine& engine, const Runner& model, const Runner* reference, std::span<const Token> actual) {
    std::vector<double> divergences(actual.size());
    std::vector<char> same(actual.size());
    if (reference)
      engine.with_threads([&](ThreadPool& pool) {
        pool.split(actual.size(), 1, [&](std::size_t begin, std::size_t end, std::size_t) {
          for (std::size_t i = begin; i < end; ++i) {
            divergences[i] = divergence(reference->row(i), model.row(i));
            same[i] = likeliest(reference->row(i)) == likeliest(model.row(i));
          }
        });
      });
    for (std::size_t i = 0; i < actual.size(); ++i) {
      loss_.add(-double(model.row(i)[std::size_t(actual[i])]));
      if (!reference) continue;
      reference_loss_.add(-double(reference->row(i)[std::size_t(actual[i])]));
      divergence_.add(divergences[i]);
      divergences_.push_back(divergences[i]);
      agreed_.add(same[i]);
    }
  }

  Perplexity result(std::size_t chunks) const {
    const auto perplexity_of = [](const Mean& loss) { return std::exp(loss.value()); };
    Perplexity result{perplexity_of(loss_), perplexity_of(loss_) * loss_.error(), loss_.count, chunks, {}};
    if (divergence_.count)
      result.against = Divergence{.mean = divergence_.value(),
                                  .error = divergence_.error(),
                                  .median = median(divergences_),
                                  .percentile_99 = quantile(divergences_, 0.99),
                                  .maximum = quantile(divergences_, 1),
                                  .top_agreement = agreed_.value(),
                                  .top_agreement_error = agreed_.error(),
                                  .reference_perplexity = perplexity_of(reference_loss_),
                                  .reference_error = perplexity_of(reference_loss_) * reference_loss_.error()};
    return result;
  }

 private:
  Mean loss_, reference_loss_, divergence_, agreed_;
  std::vector<double> divergences_;
};

void check(const engine::Engine& engine, std::span<const Token> tokens, std::size_t context,
           const engine::Engine* reference) {
  if (context < 4) throw Error(Code::usage, "a context below 4 leaves nothing to score");
  for (const engine::Engine* one : {&engine, reference}) {
    if (!one) continue;
    if (one->model().is_encoder())
      throw Error(Code::unsupported, "an encoder predicts no text", one->model().file().metadata().origin());
    if (context > one->context_length())
      throw Error(Code::too_long,
                  fmt::format("chunks of {} tokens and the model holds {}", context, one->context_length()),
                  one->model().file().path().string(), "lower --context");
  }
  if (tokens.size() < context)
    throw Error(Code::bad_input, fmt::format("the text has {} tokens and a chunk needs {}", tokens.size(), context), {},
                "give more text or a smaller context");
  if (reference && reference->model().vocabulary_size() != engine.model().vocabulary_size())
    throw Error(Code::bad_input, fmt::format("vocabularies of {} and {} tokens cannot be compared",
                                             engine.model().vocabulary_size(), reference->model().vocabulary_size()));
}

}  // namespace

Perplexity perplexity(engine::Engine& engine, std::span<const Token> tokens, const PerplexityOptions& options,
                      engine::Engine* reference,
                      const std::function<bool(std::size_t, std::size_t, const Perplexity&)>& progress) {
  const std::size_t context = options.context;
  check(engine, tokens, context, reference);
  const std::size_t fit = tokens.size() / context;
  const std::size_t chunks = options.chunks ? std::min(options.chunks, fit) : fit;
  const std::size_t together = std::clamp<std::size_t>(batch_tokens / context, 1, chunks);
  const std::size_t rows_at_once =
      std::max<std::size_t>(1, logits_bytes / sizeof(float) / engine.model().vocabulary_size() / together);

  Runner model(engine, context, together);
  std::optional<Runner> other;
  if (reference) other.emplace(*reference, context, together);
  const auto forward = [&](std::span<const std::span<const Token>> stretches, bool scored) {
    model.forward(stretches, scored);
    if (other) other->forward(stretches, scored);
  };
  const text::Tokenizer* const tokenizer = engine.has_tokenizer() ? &engine.tokenizer() : nullptr;

  Tally tally;
  for (std::size_t done = 0; done < chunks;) {
    const std::size_t count = std::min(together, chunks - done);
    std::vector<Token> text(tokens.begin() + std::ptrdiff_t(done * context),
                            tokens.begin() + std::ptrdiff_t((done + count) * context));
    if (tokenizer && tokenizer->adds_bos())
      for (std::size_t i = 0; i < count; ++i) text[i * context] = tokenizer->bos();
    // Positions [begin, begin + length) of every chunk.
    const auto stretch = [&](std::size_t begin, std::size_t length) {
      std::vector<std::span<const Token>> stretches;
      for (std::size_t i = 0; i < count; ++i) stretches.push_back(std::span(text).subspan(i * context + begin, length));
      return stretches;
    };
    model.restart();
    if (other) other->restart();
    const std::size_t first = context / 2;
    forward(stretch(0, first), false);
    // Position i predicts token i + 1; the last position predicts nothing that is known.
    for (std::size_t begin = first; begin < context - 1; begin += rows_at_once) {
      const std::size_t length = std::min(rows_at_once, context - 1 - begin);
      forward(stretch(begin, length), true);
      std::vector<Token> actual;
      for (const auto& next : stretch(begin + 1, length)) actual.insert(actual.end(), next.begin(), next.end());
      tally.add(engine, model, other ? &*other : nullptr, actual);
    }
    done += count;
    if (progress && !progress(done, chunks, tally.result(done))) return tally.result(done);
  }
  return tally.result(chunks);
}

}  // namespace hearth::evaluate
