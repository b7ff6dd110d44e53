// How many tokens a grammar's text needs at most to come to its end: what an answer of limited length must keep in
// hand.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "sample/automaton.h"
#include "sample/token_table.h"

namespace hearth::sample {

// For each node, the tokens that end its rule: the shortest way [Knuth 1977, A generalization of Dijkstra's algorithm],
// where each byte costs a token that is this byte alone, or a run of literal bytes the longest token that it begins
// with. A true number of tokens for some text, and so never below the smallest; each such way's first token leads to a
// node that is one nearer.
class Distances {
 public:
  static constexpr std::uint32_t unreachable = 1u << 30;  // no tokens write it, or far too many
  static std::uint32_t sum(std::uint32_t a, std::uint32_t b) { return std::min(a + b, unreachable); }

  Distances(const Automaton& automaton, const TokenTable& table);
  std::uint32_t operator[](Automaton::Node node) const { return nodes_[node]; }

 private:
  using Edge = std::pair<Automaton::Node, Automaton::Node>;  // from, to
  static std::vector<Edge> token_edges(const Automaton& automaton, const TokenTable& table);

  std::vector<std::uint32_t> nodes_;
};

}  // namespace hearth::sample
