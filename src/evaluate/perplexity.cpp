#include "evaluate/perplexity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"

namespace hearth::evaluate {

namespace {

constexpr std::size_t rows_at_once = 128;  // logits in memory: this many rows of the vocabulary

struct Mean {
  double sum = 0, squares = 0;
  std::size_t count = 0;
  void add(double value) {
    sum += value;
    squares += value * value;
    ++count;
  }
  double value() const { return count ? sum / double(count) : 0; }
  double error() const {
    if (count < 2) return 0;
    const double variance = std::max(0.0, squares / double(count) - value() * value());
    return std::sqrt(variance / double(count - 1));
  }
};

// The logarithm of the sum of exponentials, and the place of the largest.
struct Normaliser {
  double log_sum;
  std::size_t top;
  explicit Normaliser(std::span<const float> logits) {
    top = std::size_t(std::max_element(logits.begin(), logits.end()) - logits.begin());
    double sum = 0;
    for (float logit : logits) sum += std::exp(double(logit - logits[top]));
    log_sum = double(logits[top]) + std::log(sum);
  }
};

// One model's logits for a chunk, piece by piece.
class Runner {
 public:
  Runner(engine::Engine& engine, std::size_t context)
      : engine_(engine),
        cache_(engine.model().new_cache(context, engine.options().kv_type)),
        width_(engine.model().vocabulary_size()) {
    logits_.resize(rows_at_once * width_);
  }
  void feed(std::span<const Token> tokens) { forward(tokens, model::Segment::Want::none); }
  void score(std::span<const Token> tokens) { forward(tokens, model::Segment::Want::all); }
  void restart() { cache_->truncate(0); }
  std::span<const float> row(std::size_t index) const { return {logits_.data() + index * width_, width_}; }

 private:
  void forward(std::span<const Token> tokens, model::Segment::Want want) {
    const model::Segment segment{.cache = cache_.get(), .tokens = tokens, .want = want};
    engine_.forward({&segment, 1}, {logits_.data(), want == model::Segment::Want::all ? tokens.size() : 0, width_});
  }
  engine::Engine& engine_;
  std::unique_ptr<model::KvCache> cache_;
  std::size_t width_;
  std::vector<float> logits_;
};

}  // namespace

Perplexity perplexity(engine::Engine& engine, std::span<const Token> tokens, const PerplexityOptions& options,
                      engine::Engine* reference,
                      const std::function<bool(std::size_t, std::size_t, const Perplexity&)>& progress) {
  const std::size_t context = options.context;
  if (context < 4) throw Error(Code::usage, "a context below 4 leaves nothing to score");
  if (tokens.size() < context)
    throw Error(Code::bad_input, fmt::format("the text has {} tokens and a chunk needs {}", tokens.size(), context), {},
                "give more text or a smaller context");
  if (reference && reference->model().vocabulary_size() != engine.model().vocabulary_size())
    throw Error(Code::bad_input, fmt::format("vocabularies of {} and {} tokens cannot be compared",
                                             engine.model().vocabulary_size(), reference->model().vocabulary_size()));
  const std::size_t fit = tokens.size() / context;
  const std::size_t chunks = options.chunks ? std::min(options.chunks, fit) : fit;

  std::vector<Runner> runners;
  runners.emplace_back(engine, context);
  if (reference) runners.emplace_back(*reference, context);
  const text::Tokenizer* tokenizer = engine.has_tokenizer() ? &engine.tokenizer() : nullptr;

  Mean loss, reference_loss, divergence;
  std::size_t agreed = 0;
  Perplexity result;
  std::vector<Token> chunk(context);
  for (std::size_t index = 0; index < chunks; ++index) {
    std::copy_n(tokens.begin() + std::ptrdiff_t(index * context), context, chunk.begin());
    if (tokenizer && tokenizer->adds_bos()) chunk[0] = tokenizer->bos();
    const std::span<const Token> input(chunk);
    const std::size_t first = context / 2;
    for (Runner& runner : runners) {
      runner.restart();
      runner.feed(input.first(first));
    }
    // Position i predicts token i + 1; the last position predicts nothing that is known.
    for (std::size_t begin = first; begin < context - 1; begin += rows_at_once) {
      const std::size_t count = std::min(rows_at_once, context - 1 - begin);
      for (Runner& runner : runners) runner.score(input.subspan(begin, count));
      for (std::size_t i = 0; i < count; ++i) {
        const auto actual = std::size_t(chunk[begin + i + 1]);
        const auto row = runners[0].row(i);
        const Normaliser ours(row);
        loss.add(ours.log_sum - double(row[actual]));
        if (!reference) continue;
        const auto other = runners[1].row(i);
        const Normaliser theirs(other);
        reference_loss.add(theirs.log_sum - double(other[actual]));
        agreed += ours.top == theirs.top;
        double kl = 0;
        for (std::size_t j = 0; j < row.size(); ++j) {
          const double log_p = double(other[j]) - theirs.log_sum;
          if (log_p > -40) kl += std::exp(log_p) * (log_p - (double(row[j]) - ours.log_sum));
        }
        divergence.add(kl);
      }
    }
    result.chunks = index + 1;
    result.tokens = loss.count;
    result.value = std::exp(loss.value());
    result.error = result.value * loss.error();
    if (reference)
      result.against = Divergence{divergence.value(), divergence.error(), double(agreed) / double(loss.count),
                                  std::exp(reference_loss.value())};
    if (progress && !progress(index + 1, chunks, result)) break;
  }
  return result;
}

}  // namespace hearth::evaluate
