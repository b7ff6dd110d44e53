#include "engine/score.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "ops/activation.h"

namespace hearth::engine {

namespace {

using Group = std::vector<Continuation>;

constexpr std::size_t wave_tokens = 2048;  // of shared beginnings, in one batch
constexpr std::size_t wave_groups = 64;
constexpr std::size_t logits_bytes = std::size_t{128} << 20;

// What all continuations of a group begin with, short of the position whose logits the first scored token needs.
std::size_t shared_length(const Group& group) {
  std::size_t length = group[0].from - 1;
  for (const Continuation& one : group) {
    const auto differs =
        std::mismatch(one.tokens.begin(), one.tokens.end(), group[0].tokens.begin(), group[0].tokens.end()).first;
    length = std::min({length, one.from - 1, std::size_t(differs - one.tokens.begin())});
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

class Scorer {
 public:
  Scorer(Engine& engine, std::size_t longest)
      : engine_(engine), longest_(longest), vocabulary_(engine.model().vocabulary_size()) {
    logits_.resize(std::max<std::size_t>(1, logits_bytes / sizeof(float) / vocabulary_) * vocabulary_);
  }

  void wave(std::span<const Group> groups, std::span<std::vector<Likelihood>> results) {
    std::vector<std::size_t> shared;
    std::vector<model::Segment> beginnings;
    std::size_t rounds = 0;
    while (caches_.size() < groups.size())
      caches_.push_back(engine_.model().new_cache(longest_, engine_.options().kv_type));
    for (std::size_t i = 0; i < groups.size(); ++i) {
      results[i].resize(groups[i].size());
      rounds = std::max(rounds, groups[i].size());
      shared.push_back(groups[i].empty() ? 0 : shared_length(groups[i]));
      caches_[i]->truncate(0);
      if (shared[i] > 0)
        beginnings.push_back({.cache = caches_[i].get(),
                              .tokens = std::span(groups[i][0].tokens).first(shared[i]),
                              .want = model::Segment::Want::none});
    }
    if (!beginnings.empty()) engine_.forward(beginnings, {logits_.data(), 0, vocabulary_}, {.measured = true});

    // Round r runs the r-th continuation of every group, as many side by side as there is room for their logits.
    for (std::size_t round = 0; round < rounds; ++round) {
      std::vector<model::Segment> segments;
      std::vector<std::size_t> which;
      std::size_t rows = 0;
      const auto flush = [&] {
        if (!segments.empty()) run(segments, rows);
        const float* row = logits_.data();
        for (std::size_t j = 0; j < which.size(); ++j) {
          const std::size_t i = which[j];
          results[i][round] = judge(groups[i][round], shared[i], row);
          row += segments[j].tokens.size() * vocabulary_;
          caches_[i]->truncate(shared[i]);
        }
        segments.clear();
        which.clear();
        rows = 0;
      };
      for (std::size_t i = 0; i < groups.size(); ++i) {
        if (round >= groups[i].size()) continue;
        const auto& tokens = groups[i][round].tokens;
        const std::size_t count = tokens.size() - 1 - shared[i];  // the last token's own logits predict nothing
        if ((rows + count) * vocabulary_ > logits_.size()) flush();
        if (count * vocabulary_ > logits_.size()) logits_.resize(count * vocabulary_);
        segments.push_back({.cache = caches_[i].get(),
                            .tokens = std::span(tokens).subspan(shared[i], count),
                            .want = model::Segment::Want::all});
        which.push_back(i);
        rows += count;
      }
      flush();
    }
  }

 private:
  void run(std::span<const model::Segment> segments, std::size_t rows) {
    const tensor::Rows out(logits_.data(), rows, vocabulary_);
    engine_.forward(segments, out, {.measured = true});
    engine_.with_threads([&](ThreadPool& pool) { ops::log_softmax(pool, out); });
  }

  // `rows` are the log-probabilities after each token from position `begin` on.
  Likelihood judge(const Continuation& one, std::size_t begin, const float* rows) const {
    Likelihood result{.log = 0, .greedy = true};
    for (std::size_t position = one.from; position < one.tokens.size(); ++position) {
      const float* row = rows + (position - 1 - begin) * vocabulary_;
      const float log = row[one.tokens[position]];
      result.log += double(log);
      result.greedy = result.greedy && *std::max_element(row, row + vocabulary_) == log;
    }
    return result;
  }

  Engine& engine_;
  std::size_t longest_, vocabulary_;
  std::vector<std::unique_ptr<model::KvCache>> caches_;
  std::vector<float> logits_;
};

}  // namespace

std::vector<std::vector<Likelihood>> score(Engine& engine, std::span<const Group> groups,
                                           const std::function<bool(std::size_t)>& progress) {
  if (engine.model().is_encoder())
    throw Error(Code::unsupported, "the model is an encoder and predicts no tokens",
                engine.model().file().metadata().origin());
  check(groups, engine.context_length());
  std::size_t longest = 1;
  for (const Group& group : groups)
    for (const Continuation& one : group) longest = std::max(longest, one.tokens.size());

  Scorer scorer(engine, longest);
  std::vector<std::vector<Likelihood>> results(groups.size());
  for (std::size_t begin = 0; begin < groups.size();) {
    std::size_t end = begin, tokens = 0;
    while (end < groups.size() && end - begin < wave_groups) {
      const std::size_t more = groups[end].empty() ? 0 : shared_length(groups[end]);
      if (end > begin && tokens + more > wave_tokens) break;
      tokens += more;
      ++end;
    }
    scorer.wave(groups.subspan(begin, end - begin), std::span(results).subspan(begin, end - begin));
    begin = end;
    if (progress && !progress(begin)) throw Error(Code::cancelled, "interrupted");
  }
  return results;
}

}  // namespace hearth::engine
