#include "engine/score.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <mutex>
#include <numeric>

#include "base/error.h"
#include "model/likelihood.h"

namespace hearth::engine {

namespace {

using Group = std::vector<Continuation>;

constexpr std::size_t first_groups = 16, least_groups = 4;  // in a wave: some hundred tokens
constexpr std::size_t wave_cache_bytes = std::size_t{256} << 20;
constexpr double short_wave = 3, long_wave = 12;  // seconds

// How many tokens two continuations begin with alike.
std::size_t common(const Continuation& a, const Continuation& b) {
  return std::size_t(std::mismatch(a.tokens.begin(), a.tokens.end(), b.tokens.begin(), b.tokens.end()).first -
                     a.tokens.begin());
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

// In which order a group's continuations run, each from where it parts from the one before: a walk through the tree of
// their tokens.
class Walk {
 public:
  explicit Walk(const Group& group) {
    std::vector<std::size_t> order(group.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return group[a].tokens < group[b].tokens; });
    shared_ = group.empty() ? 0 : group[0].from;
    for (const Continuation& one : group) shared_ = std::min({shared_, one.from, common(one, group[0])});
    for (const std::size_t i : order) {
      Step step{.of = i, .kept = shared_, .end = group[i].tokens.size() - 1};  // the last token predicts nothing
      if (!steps_.empty())
        step.kept =
            std::max(shared_, std::min({common(group[i], group[steps_.back().of]), step.end, steps_.back().end}));
      steps_.push_back(step);
    }
  }

  struct Step {
    std::size_t of;         // the group's continuation
    std::size_t kept, end;  // tokens that the step before has run, and this one
  };
  const std::vector<Step>& steps() const noexcept { return steps_; }
  // What all begin with and nobody is scored for.
  std::size_t shared() const noexcept { return shared_; }
  // Calls asks(of) for each continuation whose token `position` step `index` runs.
  template <class Asks>
  void for_all_at(std::size_t index, std::size_t position, const Asks& asks) const {
    asks(steps_[index].of);
    for (++index; index < steps_.size() && steps_[index].kept > position; ++index) asks(steps_[index].of);
  }

 private:
  std::size_t shared_ = 0;
  std::vector<Step> steps_;
};

class Scorer {
 public:
  Scorer(const model::Model& model, ThreadPool& pool, ops::KvType kv_type, std::size_t longest)
      : model_(model), pool_(pool), kv_type_(kv_type), longest_(longest), likelihood_(model) {}

  void wave(std::span<const Group> groups, std::span<std::vector<Likelihood>> results) {
    const std::vector<Walk> walks(groups.begin(), groups.end());
    std::size_t rounds = 0;
    while (caches_.size() < groups.size()) caches_.push_back(model_.new_cache(longest_, kv_type_));
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const Group& group = groups[i];
      results[i].assign(group.size(), {.log = 0, .greedy = true});
      rounds = std::max(rounds, group.size());
      caches_[i]->truncate(0);
      const std::size_t shared = walks[i].shared();
      if (shared == 0) continue;
      // Where the scored tokens follow at once, the last shared one predicts the first of each continuation.
      const auto at =
          add(*caches_[i], std::span(group[0].tokens).first(shared),
              std::any_of(group.begin(), group.end(), [&](const Continuation& one) { return one.from == shared; })
                  ? model::Segment::Want::last
                  : model::Segment::Want::none);
      for (std::size_t j = 0; j < group.size(); ++j)
        if (group[j].from == shared) ask(at, group[j].tokens[shared], results[i][j]);
    }
    run();
    // Round r takes the r-th step of every group.
    for (std::size_t round = 0; round < rounds; ++round) {
      for (std::size_t i = 0; i < groups.size(); ++i) {
        if (round >= groups[i].size()) continue;
        const auto& step = walks[i].steps()[round];
        caches_[i]->truncate(step.kept);
        if (step.kept == step.end) continue;
        const auto at = add(*caches_[i], std::span(groups[i][step.of].tokens).subspan(step.kept, step.end - step.kept),
                            model::Segment::Want::all);
        for (std::size_t position = step.kept; position < step.end; ++position)
          walks[i].for_all_at(round, position, [&](std::size_t j) {
            const Continuation& one = groups[i][j];
            if (position + 1 >= one.from && position + 1 < one.tokens.size())
              ask(at + position - step.kept, one.tokens[position + 1], results[i][j]);
          });
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

// Deals out groups, one wave after the other.
class Waves {
 public:
  Waves(std::span<const Group> groups, std::size_t scorers, std::size_t positions)
      : groups_(groups), scorers_(scorers), positions_(positions) {}

  struct Wave {
    std::size_t begin, count;  // none: nothing is left
  };
  // At most `most` groups; fewer and fewer towards the end, so that all scorers end together.
  Wave next(std::size_t most) {
    const std::scoped_lock lock(mutex_);
    const std::size_t left = groups_.size() - taken_;
    if (scorers_ > 1) most = std::min(most, std::max(left / (2 * scorers_), least_groups));
    const std::size_t begin = taken_;
    for (std::size_t held = 0; taken_ < groups_.size() && taken_ - begin < most; ++taken_) {
      held += longest_of(groups_[taken_]);
      if (taken_ > begin && held > positions_) break;
    }
    return {begin, taken_ - begin};
  }

 private:
  std::mutex mutex_;
  std::span<const Group> groups_;
  std::size_t scorers_, positions_, taken_ = 0;
};

}  // namespace

std::vector<std::vector<Likelihood>> score(Engine& engine, std::span<const Group> groups, const ScoreOptions& options) {
  if (engine.model().is_encoder())
    throw Error(Code::unsupported, "the model is an encoder and predicts no tokens",
                engine.model().file().metadata().origin());
  HEARTH_CHECK(options.groups_at_once > 0);
  check(groups, engine.context_length());
  std::size_t longest = 1;
  for (const Group& group : groups) longest = std::max(longest, longest_of(group));

  const std::size_t threads = engine.threads(), scorers = groups.size() < least_groups * threads ? 1 : threads;
  Waves waves(groups, scorers, most_positions(engine, scorers));
  std::vector<std::vector<Likelihood>> results(groups.size());
  std::atomic<std::size_t> done = 0;
  std::atomic<bool> stopped = false;
  std::mutex telling;
  const auto stops = [&] { return options.progress && !options.progress(done); };
  // Scores wave after wave until there is none left. `progress` is heard on the calling thread.
  const auto score_with = [&](ThreadPool& pool, bool tells) {
    using Clock = std::chrono::steady_clock;
    Scorer scorer(engine.model(), pool, engine.options().kv_type, longest);
    for (std::size_t most = std::min(first_groups, options.groups_at_once); !stopped;) {
      const auto [begin, count] = waves.next(most);
      if (count == 0) break;
      const auto start = Clock::now();
      const auto to = std::span(results).subspan(begin, count);
      scorer.wave(groups.subspan(begin, count), to);
      if (options.finished) {
        const std::scoped_lock lock(telling);
        options.finished(begin, to);
      }
      done += count;
      if (tells && done < groups.size() && stops()) stopped = true;
      const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
      if (seconds < short_wave) most = std::min(2 * most, options.groups_at_once);
      if (seconds > long_wave) most = std::max<std::size_t>(1, most / 2);
    }
  };
  engine.with_threads([&](ThreadPool& pool) {
    if (scorers == 1) return score_with(pool, true);
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
