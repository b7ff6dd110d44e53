// How likely a model finds given continuations: log-likelihoods, each shared beginning computed once.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "engine/engine.h"

namespace hearth::engine {

// Asks for log P(tokens[from], ..., tokens.back() | tokens[0], ..., tokens[from - 1]).
struct Continuation {
  std::vector<Token> tokens;
  std::size_t from = 1;  // at least 1, below tokens.size()
};

struct Likelihood {
  double log = 0;       // nats, summed over the scored tokens
  bool greedy = false;  // each scored token was the likeliest
};

struct ScoreOptions {
  std::size_t groups_at_once = 64;  // at least 1: that a thread batches together at most, fewer where that takes long
  // Hears on the calling thread how many groups are done; false stops with cancelled.
  std::function<bool(std::size_t done)> progress = {};
  // Gets results as they come, those of groups[first] and of some that follow; on any thread, one at a time.
  std::function<void(std::size_t first, std::span<const std::vector<Likelihood>>)> finished = {};
};

// What a group's continuations begin with together is run once. Results stand as the groups do. Groups are batched
// together, which tells in a result's last digits alone; so does the number of threads, of which each takes groups of
// its own where there are enough. Throws usage for an empty or unscorable continuation, too_long where one exceeds the
// engine's context.
std::vector<std::vector<Likelihood>> score(Engine& engine, std::span<const std::vector<Continuation>> groups,
                                           const ScoreOptions& options = {});

}  // namespace hearth::engine
