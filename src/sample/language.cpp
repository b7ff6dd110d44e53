#include "sample/language.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"

namespace hearth::sample {

namespace {

using State = Language::State;

void check_size(std::size_t states) {
  constexpr std::size_t most = 50'000;
  if (states > most)
    throw Error(Code::too_long, "a set of strings is too complex", "more than fifty thousand states",
                "simplify its pattern or shorten its lengths");
}

// Pairs of edges that were compared: what the time goes to.
class Work {
 public:
  void spend(std::size_t pairs) { check_size((pairs_ += pairs) / 100); }

 private:
  std::size_t pairs_ = 0;
};

// Thompson's automaton: edges that read a character, and edges that read nothing.
struct Network {
  struct Node {
    std::vector<std::pair<const CharacterSet*, std::uint32_t>> edges = {};
    std::vector<std::uint32_t> jumps = {};
  };
  std::vector<Node> nodes;

  std::uint32_t add() {
    check_size(nodes.size());
    nodes.emplace_back();
    return std::uint32_t(nodes.size() - 1);
  }
  void jump(std::uint32_t from, std::uint32_t to) { nodes[from].jumps.push_back(to); }

  void emit(const Regex& regex, std::uint32_t from, std::uint32_t to) {
    switch (regex.kind) {
      case Regex::Kind::characters:
        nodes[from].edges.push_back({&regex.set, to});
        break;
      case Regex::Kind::choice:
        for (const Regex& part : regex.parts) emit(part, from, to);
        break;
      case Regex::Kind::sequence:
        for (const Regex& part : regex.parts) {
          const std::uint32_t next = add();
          emit(part, from, next);
          from = next;
        }
        jump(from, to);
        break;
      case Regex::Kind::repeat: {
        const auto once_more = [&] {
          const std::uint32_t next = add();
          emit(regex.parts[0], from, next);
          from = next;
        };
        for (std::uint32_t i = 0; i < regex.minimum; ++i) once_more();
        if (regex.maximum == Regex::unbounded) {
          const std::uint32_t loop = add();
          jump(from, loop);
          emit(regex.parts[0], loop, loop);
          jump(loop, to);
          break;
        }
        for (std::uint32_t i = regex.minimum; i < regex.maximum; ++i) {
          jump(from, to);
          once_more();
        }
        jump(from, to);
        break;
      }
    }
  }

  std::vector<std::uint32_t> closure(std::vector<std::uint32_t> reached) const {
    std::set<std::uint32_t> seen(reached.begin(), reached.end());
    for (std::size_t i = 0; i < reached.size(); ++i)
      for (const std::uint32_t next : nodes[reached[i]].jumps)
        if (seen.insert(next).second) reached.push_back(next);
    return {seen.begin(), seen.end()};
  }
};

// All characters, cut so that no set of `edges` divides a piece; for each piece, the targets it leads to. Pieces that
// lead to the same targets come as one.
template <class Edges>
std::map<std::vector<std::uint32_t>, CharacterSet> split(const Edges& edges) {
  std::set<char32_t> cuts = {0, last_character + 1};
  for (const auto& [set, target] : edges)
    for (const auto& [first, last] : set->ranges()) cuts.insert({first, last + 1});
  std::map<std::vector<std::uint32_t>, CharacterSet> pieces;
  for (auto cut = cuts.begin(); std::next(cut) != cuts.end(); ++cut) {
    std::vector<std::uint32_t> targets;
    for (const auto& [set, target] : edges)
      if (set->contains(*cut)) targets.push_back(target);
    std::sort(targets.begin(), targets.end());
    targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
    if (!targets.empty()) pieces[std::move(targets)].add(*cut, *std::next(cut) - 1);
  }
  return pieces;
}

}  // namespace

Language Language::all() {
  Language language;
  language.states_ = {{.accepts = true, .edges = {{CharacterSet::all(), 0}}}};
  return language;
}

Language Language::of(const Regex& regex) {
  Network network;
  const std::uint32_t start = network.add(), end = network.add();
  network.emit(regex, start, end);
  Language language;
  std::map<std::vector<std::uint32_t>, std::uint32_t> numbers;
  std::vector<std::vector<std::uint32_t>> subsets;
  const auto number = [&](std::vector<std::uint32_t> nodes) {
    const auto [found, fresh] = numbers.try_emplace(network.closure(std::move(nodes)), std::uint32_t(subsets.size()));
    if (fresh) subsets.push_back(found->first);
    check_size(subsets.size());
    return found->second;
  };
  number({start});
  Work work;
  for (std::size_t i = 0; i < subsets.size(); ++i) {
    std::vector<std::pair<const CharacterSet*, std::uint32_t>> edges;
    const auto subset = subsets[i];
    for (const std::uint32_t node : subset)
      edges.insert(edges.end(), network.nodes[node].edges.begin(), network.nodes[node].edges.end());
    work.spend(subset.size() + edges.size() * edges.size());
    State state{.accepts = std::binary_search(subset.begin(), subset.end(), end)};
    for (auto& [targets, set] : split(edges)) state.edges.push_back({set, number(targets)});
    language.states_.push_back(std::move(state));
  }
  language.trim();
  return language;
}

Language Language::of(const std::vector<std::string>& words) {
  Language language;
  std::vector<std::map<char32_t, std::uint32_t>> next(1);
  std::vector<bool> accepts(1);
  for (const std::string& word : words) {
    std::uint32_t at = 0;
    for (std::size_t i = 0; i < word.size();) {
      const auto [found, fresh] = next[at].try_emplace(take_character(word, i), std::uint32_t(next.size()));
      at = found->second;
      if (fresh) next.emplace_back(), accepts.push_back(false);
      check_size(next.size());
    }
    accepts[at] = true;
  }
  for (std::size_t i = 0; i < next.size(); ++i) {
    State state{.accepts = accepts[i]};
    for (const auto& [c, target] : next[i]) state.edges.push_back({CharacterSet{{c, c}}, target});
    language.states_.push_back(std::move(state));
  }
  language.trim();
  return language;
}

Language Language::of_length(std::uint32_t minimum, std::uint32_t maximum) {
  Language language;
  const std::uint32_t last = maximum == Regex::unbounded ? minimum : maximum;
  check_size(last);
  for (std::uint32_t n = 0; n <= last; ++n) {
    State state{.accepts = n >= minimum};
    if (n < last)
      state.edges = {{CharacterSet::all(), n + 1}};
    else if (maximum == Regex::unbounded)
      state.edges = {{CharacterSet::all(), n}};
    language.states_.push_back(std::move(state));
  }
  language.trim();
  return language;
}

Language Language::complement() const {
  Language result = *this;
  const auto sink = std::uint32_t(states_.size());
  for (State& state : result.states_) {
    state.accepts = !state.accepts;
    CharacterSet rest = CharacterSet::all();
    for (const auto& [set, target] : state.edges) rest = rest.without(set);
    if (!rest.empty()) state.edges.push_back({rest, sink});
  }
  result.states_.push_back({.accepts = true, .edges = {{CharacterSet::all(), sink}}});
  result.trim();
  return result;
}

Language Language::intersection(const Language& other) const {
  Language result;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> numbers;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs;
  const auto number = [&](std::uint32_t a, std::uint32_t b) {
    const auto [found, fresh] = numbers.try_emplace({a, b}, std::uint32_t(pairs.size()));
    if (fresh) pairs.push_back({a, b});
    check_size(pairs.size());
    return found->second;
  };
  number(0, 0);
  Work work;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const State &a = states_[pairs[i].first], &b = other.states_[pairs[i].second];
    State state{.accepts = a.accepts && b.accepts};
    work.spend(a.edges.size() * b.edges.size());
    for (const auto& [ours, target] : a.edges)
      for (const auto& [theirs, other_target] : b.edges)
        if (CharacterSet both = ours.common(theirs); !both.empty())
          state.edges.push_back({std::move(both), number(target, other_target)});
    result.states_.push_back(std::move(state));
  }
  result.trim();
  return result;
}

bool Language::contains(std::string_view text) const {
  std::uint32_t at = 0;
  for (std::size_t i = 0; i < text.size();) {
    const char32_t c = take_character(text, i);
    const auto& edges = states_[at].edges;
    const auto edge = std::find_if(edges.begin(), edges.end(), [&](const auto& e) { return e.first.contains(c); });
    if (edge == edges.end()) return false;
    at = edge->second;
  }
  return states_[at].accepts;
}

// Takes out what cannot be reached, or cannot come to accept.
void Language::trim() {
  std::vector<std::vector<std::uint32_t>> before(states_.size());
  for (std::uint32_t i = 0; i < states_.size(); ++i)
    for (const auto& [set, target] : states_[i].edges) before[target].push_back(i);
  std::vector<bool> useful(states_.size());
  std::vector<std::uint32_t> todo;
  for (std::uint32_t i = 0; i < states_.size(); ++i)
    if (states_[i].accepts) useful[i] = true, todo.push_back(i);
  while (!todo.empty()) {
    const std::uint32_t at = todo.back();
    todo.pop_back();
    for (const std::uint32_t source : before[at])
      if (!useful[source]) useful[source] = true, todo.push_back(source);
  }
  useful_ = useful[0];
  std::vector<std::uint32_t> order = {0};
  std::map<std::uint32_t, std::uint32_t> numbers = {{0, 0}};
  for (std::size_t i = 0; i < order.size(); ++i)
    for (const auto& [set, target] : states_[order[i]].edges)
      if (useful[target] && numbers.try_emplace(target, std::uint32_t(order.size())).second) order.push_back(target);
  std::vector<State> kept;
  for (const std::uint32_t old : order) {
    State state{.accepts = states_[old].accepts};
    for (auto& [set, target] : states_[old].edges)
      if (useful[target]) state.edges.push_back({std::move(set), numbers.at(target)});
    kept.push_back(std::move(state));
  }
  states_ = std::move(kept);
}

}  // namespace hearth::sample
