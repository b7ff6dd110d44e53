#include "sample/distances.h"

#include <array>
#include <optional>
#include <queue>

namespace hearth::sample {

namespace {

using Node = Automaton::Node;
using Rule = Automaton::Rule;

// Steps down the trie of the tokens. No node of it: the root.
class Walker {
 public:
  explicit Walker(const TokenTable& table) : trie_(table.trie()) {
    for (std::uint32_t i = 0; i < trie_.size(); i = trie_[i].next) roots_[trie_[i].byte] = i;
  }

  std::optional<std::uint32_t> below(std::optional<std::uint32_t> node, std::uint8_t byte) const {
    if (!node) return roots_[byte];
    for (std::uint32_t i = *node + 1; i < trie_[*node].next; i = trie_[i].next)
      if (trie_[i].byte == byte) return i;
    return {};
  }
  bool is_token(std::uint32_t node) const { return trie_[node].first_token < trie_[node].last_token; }

 private:
  std::span<const TokenTable::Node> trie_;
  std::array<std::optional<std::uint32_t>, 256> roots_{};
};

}  // namespace

// Each of one token: edges of bytes that are tokens, and from each edge of one byte on the longest token along such.
std::vector<Distances::Edge> Distances::token_edges(const Automaton& automaton, const TokenTable& table) {
  const Walker walker(table);
  std::array<std::uint32_t, 257> writable{};  // of the bytes before, how many are tokens
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const auto found = walker.below({}, std::uint8_t(byte));
    writable[byte + 1] = writable[byte] + (found && walker.is_token(*found));
  }
  const auto only_byte = [&](Node node) -> const Automaton::ByteEdge* {
    const auto first = automaton.nodes[node].bytes;
    const bool only = automaton.nodes[node + 1].bytes == first + 1;
    return only && automaton.bytes[first].first == automaton.bytes[first].last ? &automaton.bytes[first] : nullptr;
  };
  constexpr int most = 64;  // bytes of a token that are looked at
  std::vector<Edge> edges;
  for (Node node = 0; node + 1 < automaton.nodes.size(); ++node)
    for (auto e = automaton.nodes[node].bytes; e < automaton.nodes[node + 1].bytes; ++e) {
      const Automaton::ByteEdge* edge = &automaton.bytes[e];
      if (writable[edge->last + 1] > writable[edge->first]) edges.push_back({node, edge->target});
      if (edge->first != edge->last) continue;
      std::optional<Node> longest;
      std::optional<std::uint32_t> at;
      for (int length = 1; edge && length <= most; ++length) {
        at = walker.below(at, edge->first);
        if (!at) break;
        if (length > 1 && walker.is_token(*at)) longest = edge->target;
        edge = only_byte(edge->target);
      }
      if (longest) edges.push_back({node, *longest});
    }
  return edges;
}

Distances::Distances(const Automaton& automaton, const TokenTable& table) {
  const std::size_t count = automaton.nodes.size() - 1;
  nodes_.assign(count, unreachable);
  std::vector<std::uint32_t> rules(automaton.rules.size(), unreachable);  // of what they read when they read something

  // What comes before each node: nodes on whose edges it lies, and the rules that it begins.
  struct Before {
    Node node;
    std::uint32_t number;  // of a node or a rule
    bool is_rule;
    std::uint8_t tokens;
    std::optional<Rule> called = {};  // to be read on the way
  };
  std::vector<Before> before;
  for (const auto& [from, to] : token_edges(automaton, table)) before.push_back({to, from, false, 1});
  for (Node node = 0; node < count; ++node) {
    const auto &edges = automaton.nodes[node], &next = automaton.nodes[node + 1];
    for (auto i = edges.jumps; i < next.jumps; ++i) before.push_back({automaton.jumps[i], node, false, 0});
    for (auto i = edges.calls; i < next.calls; ++i)
      before.push_back({automaton.calls[i].target, node, false, 0, automaton.calls[i].rule});
  }
  for (Rule rule = 0; rule < rules.size(); ++rule) {
    for (const Node node : automaton.rules[rule].readers) before.push_back({node, rule, true, 0});
    for (const auto& call : automaton.rules[rule].calls) before.push_back({call.target, rule, true, 0, call.rule});
  }
  std::sort(before.begin(), before.end(), [](const Before& a, const Before& b) { return a.node < b.node; });

  // The nearest first. Whoever calls a rule waits for its turn.
  struct Reached {
    std::uint32_t tokens, number;
    bool is_rule;
    bool operator<(const Reached& other) const { return tokens > other.tokens; }
  };
  std::priority_queue<Reached> queue;
  const auto reach = [&](const Reached& what) {
    std::uint32_t& known = (what.is_rule ? rules : nodes_)[what.number];
    if (what.tokens >= known) return;
    known = what.tokens;
    queue.push(what);
  };
  std::vector<std::vector<Reached>> waiting(rules.size());
  std::vector<bool> settled(rules.size());
  for (Node node = 0; node < count; ++node)
    if (automaton.nodes[node].ends_rule || node == automaton.end) reach({0, node, false});
  while (!queue.empty()) {
    const auto [tokens, number, is_rule] = queue.top();
    queue.pop();
    if (tokens > (is_rule ? rules : nodes_)[number]) continue;
    if (is_rule) {
      settled[number] = true;
      for (const Reached& one : std::exchange(waiting[number], {}))
        reach({sum(one.tokens, tokens), one.number, one.is_rule});
      continue;
    }
    auto one = std::lower_bound(before.begin(), before.end(), number,
                                [](const Before& b, Node node) { return b.node < node; });
    for (; one != before.end() && one->node == number; ++one) {
      const Reached what{sum(tokens, one->tokens), one->number, one->is_rule};
      if (!one->called)
        reach(what);
      else if (settled[*one->called])
        reach({sum(what.tokens, rules[*one->called]), what.number, what.is_rule});
      else
        waiting[*one->called].push_back(what);
    }
  }
}

}  // namespace hearth::sample
