#include "engine/score.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "base/error.h"
#include "model/likelihood.h"

namespace hearth::engine {

namespace {

using Group = std::vector<Continuation>;

constexpr std::size_t least_groups = 4, most_groups = 64;  // in a wave: some hundred tokens, some thousand
constexpr std::size_t wave_cache_bytes = std::size_t{256} << 20;

// What all continuations of a group begin with and none of them is scored for.
std::size_t shared_length(const Group& group) {
  if (group.empty()) return 0;
  std::size_t length = group[0].from;
  for (const Continuation& one : group) {
    const auto differs =
        std::mismatch(one.tokens.begin(), one.tokens.end(), group[0].tokens.begin(), group[0].tokens.end()).first;
    length = std::min({length, one.from, std::size_t(differs - one.tokens.begin())});
  }
  return length;
}

void check(std::span<const Group> groups, std::size_t context) {
  for (const Group& group : groups)
    for (const Continuation& one : group) {
      if (one.from < 1 || one.from >= one.tokens.size())
        throw Error(Code::usage, fmt::format("scoring from token {} of {}", one.from, one.tokens.size()), {},
                    "score what follows at least one token");
      if (one.tokens.size() - 1 > context)  // the last token is not run
        throw Error(Code::too_long,
                    fmt::format("a continuation ends at token {} and the context holds {}", one.tokens.size(), context),
                    {}, "raise the context");
    }
}

std::size_t longest_of(const Group& group) {
  std::size_t longest = 1;
  for (const Continuation& one : group) longest = std::max(longest, one.tokens.size());
  return longest;
}

class Scorer {
 public:
  Scorer(const model::Model& model, ThreadPool& pool, ops::KvType kv_type, std::size_t longest)
      : model_(model), pool_(pool), kv_type_(kv_type), longest_(longest), likelihood_(model) {}

  void wave(std::span<const Group> groups, std::span<std::vector<Likelihood>> results) {
    std::vector<std::size_t> shared;
    std::size_t rounds = 0;
    while (caches_.size() < groups.size()) caches_.push_back(model_.new_cache(longest_, kv_type_));
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const Group& group = groups[i];
      results[i].assign(group.size(), {.log = 0, .greedy = true});
      rounds = std::max(rounds, group.size());
      shared.push_back(shared_length(group));
      caches_[i]->truncate(0);
      if (shared[i] == 0) continue;
      // Where the scored tokens follow at once, the last shared one predicts the first of each continuation.
      const auto at =
          add(*caches_[i], std::span(group[0].tokens).first(shared[i]),
              std::any_of(group.begin(), group.end(), [&](const Continuation& one) { return one.from == shared[i]; })
                  ? model::Segment::Want::last
                  : model::Segment::Want::none);
      for (std::size_t j = 0; j < group.size(); ++j)
        if (group[j].from == shared[i]) ask(at, group[j].tokens[shared[i]], results[i][j]);
    }
    run();
    // Round r runs what is left of the r-th continuation of every group.
    for (std::size_t round = 0; round < rounds; ++round) {
      for (std::size_t i = 0; i < groups.size(); ++i) {
        if (round >= groups[i].size()) continue;
        const Continuation& one = groups[i][round];
        const std::size_t end = one.tokens.size() - 1;  // the last token's own logits predict nothing
        caches_[i]->truncate(shared[i]);
        if (shared[i] == end) continue;
        const auto at =
            add(*caches_[i], std::span(one.tokens).subspan(shared[i], end - shared[i]), model::Segment::Want::all);
        for (std::size_t position = std::max(one.from - 1, shared[i]); position < end; ++position)
          ask(at + position - shared[i], one.tokens[position + 1], results[i][round]);
      }
      run();
    }
  }

 private:
  // The row of the first hidden state that will be there.
  std::size_t add(model::KvCache& cache, std::span<const Token> tokens, model::Segment::Want want) {
    segments_.push_back({.cache = &cache, .tokens = tokens, .want = want});
    const std::size_t at = rows_;
    rows_ += want == model::Segment::Want::none ? 0 : want == model::Segment::Want::last ? 1 : tokens.size();
    return at;
  }
  void ask(std::size_t row, Token token, Likelihood& of) {
    asked_.push_back({.row = row, .token = token});
    of_.push_back(&of);
  }
  void run() {
    if (!segments_.empty()) {
      const std::size_t width = model_.width();
      hidden_.resize(std::max(hidden_.size(), rows_ * width));
      const tensor::Rows hidden(hidden_.data(), rows_, width);
      model_.forward(pool_, segments_, *scratch_, hidden, {.hidden_states = true, .care = ops::Care::outliers});
      likelihood_.answer(pool_, hidden, asked_);
    }
    for (std::size_t i = 0; i < asked_.size(); ++i) {
      of_[i]->log += double(asked_[i].log);
      of_[i]->greedy = of_[i]->greedy && asked_[i].likeliest;
    }
    segments_.clear();
    asked_.clear();
    of_.clear();
    rows_ = 0;
  }

  const model::Model& model_;
  ThreadPool& pool_;
  ops::KvType kv_type_;
  std::size_t longest_;
  model::Likelihood likelihood_;
  std::shared_ptr<model::Model::Scratch> scratch_ = model::Model::new_scratch();
  std::vector<std::unique_ptr<model::KvCache>> caches_;
  std::vector<float> hidden_;
  // The batch that is being put together: what it runs, what is asked of it and for whom.
  std::vector<model::Segment> segments_;
  std::vector<model::NextToken> asked_;
  std::vector<Likelihood*> of_;
  std::size_t rows_ = 0;
};

// Positions that the caches of one of `scorers` may hold.
std::size_t most_positions(const Engine& engine, std::size_t scorers) {
  const model::Hyperparameters& h = engine.model().hyperparameters();
  const ops::KvType type = engine.options().kv_type;
  const std::size_t bytes =
      h.layers * h.heads_kv * (ops::kv_row_bytes(type, h.key_width) + ops::kv_row_bytes(type, h.value_width));
  return wave_cache_bytes / scorers / bytes;
}

// Where groups that are scored at once end, and the next begin: fewer and fewer, so that all scorers end together.
std::vector<std::size_t> waves(std::span<const Group> groups, std::size_t positions, std::size_t scorers) {
  std::vector<std::size_t> ends;
  for (std::size_t begin = 0, end = 0; begin < groups.size(); begin = end) {
    const std::size_t most = std::clamp((groups.size() - begin) / (2 * scorers), least_groups, most_groups);
    std::size_t held = 0;
    for (; end < groups.size() && end - begin < most; ++end) {
      const std::size_t more = longest_of(groups[end]);
      if (end > begin && held + more > positions) break;
      held += more;
    }
    ends.push_back(end);
  }
  return ends;
}

}  // namespace

std::vector<std::vector<Likelihood>> score(Engine& engine, std::span<const Group> groups,
                                           const std::function<bool(std::size_t)>& progress) {
  if (engine.model().is_encoder())
    throw Error(Code::unsupported, "the model is an encoder and predicts no tokens",
                engine.model().file().metadata().origin());
  check(groups, engine.context_length());
  std::size_t longest = 1;
  for (const Group& group : groups) longest = std::max(longest, longest_of(group));

  const std::vector<std::size_t> ends = waves(groups, most_positions(engine, engine.threads()), engine.threads());
  std::vector<std::vector<Likelihood>> results(groups.size());
  std::atomic<std::size_t> next = 0, done = 0;
  std::atomic<bool> stopped = false;
  const auto stops = [&] { return progress && !progress(done); };
  // Scores wave after wave until there is none left. `progress` is heard on the calling thread.
  const auto score_with = [&](ThreadPool& pool, bool tells) {
    Scorer scorer(engine.model(), pool, engine.options().kv_type, longest);
    for (std::size_t i = next++; i < ends.size() && !stopped; i = next++) {
      const std::size_t begin = i == 0 ? 0 : ends[i - 1], count = ends[i] - begin;
      scorer.wave(groups.subspan(begin, count), std::span(results).subspan(begin, count));
      done += count;
      if (tells && done < groups.size() && stops()) stopped = true;
    }
  };
  engine.with_threads([&](ThreadPool& pool) {
    if (ends.size() < pool.size()) return score_with(pool, true);
    // Threads that never wait for each other.
    pool.run([&](std::size_t index, std::size_t) {
      ThreadPool alone(1);
      try {
        score_with(alone, index == 0);
      } catch (...) {
        stopped = true;
        throw;
      }
    });
  });
  if (stopped || (done != 0 && stops())) throw Error(Code::cancelled, "interrupted");
  return results;
}

}  // namespace hearth::engine
