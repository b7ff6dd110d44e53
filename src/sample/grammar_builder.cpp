// From expressions to networks: Thompson's construction, counted repetitions written out.
#include <algorithm>
#include <deque>
#include <map>

#include "base/error.h"
#include "sample/grammar.h"

namespace hearth::sample {

using Expression = GrammarBuilder::Expression;
using Part = GrammarBuilder::Part;
using Node = Automaton::Node;
using Rule = Automaton::Rule;

Expression GrammarBuilder::add(Part part) {
  constexpr std::size_t most = 2'000'000;
  if (parts_.size() >= most) throw Error(Code::too_long, "the grammar is too large", "more than two million parts");
  parts_.push_back(std::move(part));
  return Expression(parts_.size() - 1);
}

Expression GrammarBuilder::literal(std::string_view bytes) {
  return add({.kind = Part::Kind::literal, .bytes = std::string(bytes)});
}

Expression GrammarBuilder::characters(CharacterSet set) {
  return add({.kind = Part::Kind::characters, .set = std::move(set)});
}

Expression GrammarBuilder::sequence(std::vector<Expression> parts) {
  return parts.size() == 1 ? parts[0] : add({.kind = Part::Kind::sequence, .parts = std::move(parts)});
}

Expression GrammarBuilder::choice(std::vector<Expression> alternatives) {
  return alternatives.size() == 1 ? alternatives[0]
                                  : add({.kind = Part::Kind::choice, .parts = std::move(alternatives)});
}

Expression GrammarBuilder::repeat(Expression body, std::uint32_t minimum, std::uint32_t maximum) {
  HEARTH_CHECK(minimum <= maximum);
  return add({.kind = Part::Kind::repeat, .parts = {body}, .minimum = minimum, .maximum = maximum});
}

Expression GrammarBuilder::call(Rule rule) {
  return add({.kind = Part::Kind::call, .rule = rule});
}

Expression GrammarBuilder::rule(Expression expression) {
  const Rule name = declare();
  define(name, expression);
  return call(name);
}

std::size_t GrammarBuilder::add_rule() {
  rules_.push_back(choice({}));
  return rules_.size() - 1;
}

namespace {

// Which parts can match the empty text. A part only refers to parts before it, save through rules.
std::vector<bool> find_nullable(const std::vector<Part>& parts, const std::vector<Expression>& rules) {
  std::vector<std::vector<Expression>> used_by(parts.size()), callers(rules.size());
  std::vector<std::vector<Rule>> body_of(parts.size());
  std::vector<std::size_t> missing(parts.size());  // how many of its parts must still be found nullable
  std::vector<bool> nullable(parts.size());
  std::vector<Expression> found;
  const auto add = [&](Expression e) {
    if (!nullable[e]) found.push_back(e);
    nullable[e] = true;
  };
  for (Rule rule = 0; rule < rules.size(); ++rule) body_of[rules[rule]].push_back(rule);
  for (Expression e = 0; e < parts.size(); ++e) {
    const Part& part = parts[e];
    for (const Expression child : part.parts) used_by[child].push_back(e);
    missing[e] = part.kind == Part::Kind::sequence ? part.parts.size() : 1;
    if (part.kind == Part::Kind::call) callers[part.rule].push_back(e);
    if ((part.kind == Part::Kind::literal && part.bytes.empty()) ||
        (part.kind == Part::Kind::sequence && part.parts.empty()) ||
        (part.kind == Part::Kind::repeat && part.minimum == 0))
      add(e);
  }
  while (!found.empty()) {
    const Expression e = found.back();
    found.pop_back();
    for (const Expression user : used_by[e])
      if (missing[user] > 0 && --missing[user] == 0) add(user);
    for (const Rule rule : body_of[e])
      for (const Expression caller : callers[rule]) add(caller);
  }
  return nullable;
}

class Compiler {
 public:
  Compiler(const std::vector<Part>& parts, const std::vector<Expression>& rules)
      : parts_(parts.begin(), parts.end()), bodies_(rules), nullable_(find_nullable(parts, rules)) {}

  // Nothing where `root` never ends.
  std::optional<Automaton> compile(Rule root) {
    for (Rule rule = 0; rule < bodies_.size(); ++rule) {  // repetitions add rules meanwhile
      starts_.push_back(add_node());
      ends_.push_back(add_node());
      emit(bodies_[rule], starts_[rule], ends_[rule], true);
    }
    result_.end = add_node();
    if (!drop_endless(root)) return {};
    result_.root = root;
    result_.may_be_empty = nullable_[bodies_[root]];
    arrange();
    find_starts();
    find_byte_classes();
    return std::move(result_);
  }

 private:
  template <class Edge>
  struct From {
    Node source;
    Edge edge;
  };

  Node add_node() {
    constexpr Node most = 1'000'000;
    if (chains_.size() >= most)
      throw Error(Code::too_long, "the grammar is too large", "more than a million nodes",
                  "count repetitions less far");
    chains_.push_back(Node(chains_.size()));
    ranks_.push_back(0);
    left_.push_back(0);
    return chains_.back();
  }
  void jump(Node source, Node target) { jumps_.push_back({source, target}); }

  // Networks that read `e` on the way from `from` to `to`. `skips`: a call that may read nothing may be passed by.
  void emit(Expression e, Node from, Node to, bool skips) {
    const Part& part = parts_[e];
    switch (part.kind) {
      case Part::Kind::literal:
        if (part.bytes.empty()) jump(from, to);
        for (std::size_t i = 0; i < part.bytes.size(); ++i) {
          const Node next = i + 1 == part.bytes.size() ? to : add_node();
          bytes_.push_back({from, {std::uint8_t(part.bytes[i]), std::uint8_t(part.bytes[i]), next}});
          from = next;
        }
        break;
      case Part::Kind::characters:
        emit_characters(utf8_sequences(part.set), from, to);
        break;
      case Part::Kind::sequence:
        if (part.parts.empty()) jump(from, to);
        for (std::size_t i = 0; i < part.parts.size(); ++i) {
          const Node next = i + 1 == part.parts.size() ? to : add_node();
          emit(part.parts[i], from, next, true);
          from = next;
        }
        break;
      case Part::Kind::choice:
        for (const Expression alternative : part.parts) emit(alternative, from, to, true);
        break;
      case Part::Kind::repeat:
        emit_repeat(part, from, to);
        break;
      case Part::Kind::call:
        calls_.push_back({from, {part.rule, to, false}});
        if (skips && nullable_[e]) jump(from, to);
        break;
    }
  }

  void emit_characters(const std::vector<ByteSequence>& sequences, Node from, Node to) {
    std::map<std::vector<ByteSequence>, Node> tails{{{{}}, to}};  // shared: most end in the same way
    const auto walk = [&](const auto& self, const std::vector<ByteSequence>& all, Node source) -> void {
      std::map<ByteRange, std::vector<ByteSequence>> groups;
      for (const ByteSequence& s : all) groups[s.front()].emplace_back(s.begin() + 1, s.end());
      for (const auto& [range, rest] : groups) {
        auto tail = tails.find(rest);
        if (tail == tails.end()) {
          tail = tails.emplace(rest, add_node()).first;
          self(self, rest, tail->second);
        }
        bytes_.push_back({source, {range.first, range.last, tail->second}});
      }
    };
    walk(walk, sequences, from);
  }

  void emit_repeat(const Part& part, Node from, Node to) {
    Expression body = part.parts[0];
    const bool endless = part.maximum == GrammarBuilder::unbounded, skips = nullable_[body];
    // Where the body may be empty, so many of it are at most so many that are not.
    const std::uint32_t minimum = skips ? 0 : part.minimum;
    if (std::max(minimum, endless ? 0 : part.maximum) > 1) body = wrap(body);
    Node at = add_node();
    jump(from, at);
    for (std::uint32_t i = 1; i < minimum; ++i) {
      const Node next = add_node();
      emit(body, at, next, false);
      at = next;
    }
    if (endless) {  // the last of those that must be comes again and again
      const Node loop = add_node(), after = minimum > 0 ? add_node() : loop;
      jump(at, loop);
      emit(body, loop, after, false);
      if (after != loop) jump(after, loop);
      jump(after, to);
      return;
    }
    if (minimum > 0) {
      const Node next = add_node();
      emit(body, at, next, false);
      at = next;
    }
    const Node first = Node(chains_.size());
    for (std::uint32_t i = minimum; i < part.maximum; ++i) {
      jump(at, to);
      const Node begin = Node(chains_.size()), next = add_node();
      emit(body, at, next, false);
      for (Node node = begin; node < chains_.size() && part.maximum - minimum > 1; ++node) {
        chains_[node] = first + (node - begin);
        ranks_[node] = i;
        left_[node] = part.maximum - i - 1;
      }
      at = next;
    }
    jump(at, to);
  }

  // A body that is written out many times becomes a rule, unless it is as small as a call.
  Expression wrap(Expression body) {
    const Part& part = parts_[body];
    const bool small =
        part.kind == Part::Kind::call || (part.kind == Part::Kind::literal && part.bytes.size() <= 4) ||
        (part.kind == Part::Kind::characters && !part.set.empty() && part.set.ranges().back().second < 0x80);
    if (small) return body;
    const auto [found, fresh] = wrapped_.try_emplace(body, Expression(parts_.size()));
    if (fresh) {
      parts_.push_back({.kind = Part::Kind::call, .rule = Rule(bodies_.size())});
      nullable_.push_back(nullable_[body]);
      bodies_.push_back(body);
    }
    return found->second;
  }

  // Takes out edges to nodes from which their rule cannot end, and calls of rules that never do.
  bool drop_endless(Rule root) {
    std::vector<std::vector<Node>> before(chains_.size());
    std::vector<std::vector<From<Rule>>> calls_before(chains_.size());
    std::vector<std::vector<Node>> waiting(bodies_.size());
    std::vector<Rule> start_of(chains_.size(), Rule(bodies_.size()));
    for (Rule rule = 0; rule < bodies_.size(); ++rule) start_of[starts_[rule]] = rule;
    for (const auto& [source, edge] : bytes_) before[edge.target].push_back(source);
    for (const auto& [source, target] : jumps_) before[target].push_back(source);
    for (const auto& [source, edge] : calls_) calls_before[edge.target].push_back({source, edge.rule});

    std::vector<bool> useful(chains_.size()), ending(bodies_.size());
    std::vector<Node> found;
    const auto add = [&](Node node) {
      if (!useful[node]) found.push_back(node);
      useful[node] = true;
    };
    for (const Node end : ends_) add(end);
    while (!found.empty()) {
      const Node node = found.back();
      found.pop_back();
      for (const Node source : before[node]) add(source);
      for (const auto& [source, rule] : calls_before[node]) {
        if (ending[rule])
          add(source);
        else
          waiting[rule].push_back(source);
      }
      if (const Rule rule = start_of[node]; rule < bodies_.size()) {
        ending[rule] = true;
        for (const Node source : waiting[rule]) add(source);
        waiting[rule].clear();
      }
    }
    if (!ending[root]) return false;
    std::erase_if(bytes_, [&](const auto& e) { return !useful[e.edge.target]; });
    std::erase_if(jumps_, [&](const auto& e) { return !useful[e.edge]; });
    std::erase_if(calls_, [&](const auto& e) { return !useful[e.edge.target] || !ending[e.edge.rule]; });
    return true;
  }

  // Edges in the order of their sources.
  void arrange() {
    const auto order = [](auto& edges) {
      std::stable_sort(edges.begin(), edges.end(), [](const auto& a, const auto& b) { return a.source < b.source; });
    };
    order(bytes_);
    order(calls_);
    order(jumps_);
    const auto begin = [&](const auto& edges, std::size_t& at, Node node) {
      while (at < edges.size() && edges[at].source < node) ++at;
      return std::uint32_t(at);
    };
    std::size_t byte = 0, call = 0, jump = 0;
    for (Node node = 0; node <= chains_.size(); ++node)
      result_.nodes.push_back({.bytes = begin(bytes_, byte, node),
                               .calls = begin(calls_, call, node),
                               .jumps = begin(jumps_, jump, node),
                               .ends_rule = false,
                               .chain = node < chains_.size() ? chains_[node] : 0,
                               .rank = node < chains_.size() ? ranks_[node] : 0,
                               .left = node < chains_.size() ? left_[node] : 0});
    for (const Node end : ends_) result_.nodes[end].ends_rule = true;
    for (const auto& e : bytes_) result_.bytes.push_back(e.edge);
    for (const auto& e : calls_) result_.calls.push_back(e.edge);
    for (const auto& e : jumps_) result_.jumps.push_back(e.edge);
    for (auto& edge : result_.calls) edge.last = only_ends(edge.target);
  }

  bool only_ends(Node node) const {
    for (int steps = 0; steps < 16; ++steps) {
      const auto &edges = result_.nodes[node], &next = result_.nodes[node + 1];
      if (edges.bytes != next.bytes || edges.calls != next.calls) return false;
      if (edges.ends_rule) return edges.jumps == next.jumps;
      if (next.jumps != edges.jumps + 1) return false;
      node = result_.jumps[edges.jumps];
    }
    return false;
  }

  void find_starts() {
    std::vector<bool> seen(chains_.size());
    for (Rule rule = 0; rule < bodies_.size(); ++rule) {
      auto& start = result_.rules.emplace_back();
      std::vector<Node> reached{starts_[rule]};
      seen[starts_[rule]] = true;
      for (std::size_t i = 0; i < reached.size(); ++i) {
        const auto &edges = result_.nodes[reached[i]], &next = result_.nodes[reached[i] + 1];
        if (edges.bytes != next.bytes) start.readers.push_back(reached[i]);
        start.calls.insert(start.calls.end(), result_.calls.begin() + edges.calls, result_.calls.begin() + next.calls);
        for (auto j = edges.jumps; j < next.jumps; ++j) {
          if (!seen[result_.jumps[j]]) reached.push_back(result_.jumps[j]);
          seen[result_.jumps[j]] = true;
        }
      }
    }
  }

  void find_byte_classes() {
    std::array<bool, 257> begins{true};
    for (const auto& edge : result_.bytes) begins[edge.first] = begins[edge.last + 1] = true;
    for (std::size_t byte = 0; byte < 256; ++byte) {
      if (begins[byte]) result_.class_member.push_back(std::uint8_t(byte));
      result_.byte_class[byte] = std::uint8_t(result_.class_member.size() - 1);
    }
  }

  std::deque<Part> parts_;  // repetitions add some while others are looked at
  std::vector<Expression> bodies_;
  std::vector<bool> nullable_;
  std::map<Expression, Expression> wrapped_;
  std::vector<Node> starts_, ends_;
  std::vector<Node> chains_;
  std::vector<std::uint32_t> ranks_, left_;
  std::vector<From<Automaton::ByteEdge>> bytes_;
  std::vector<From<Automaton::CallEdge>> calls_;
  std::vector<From<Node>> jumps_;
  Automaton result_;
};

}  // namespace

std::optional<Grammar> GrammarBuilder::build_if_any(Rule root) const {
  auto automaton = Compiler(parts_, rules_).compile(root);
  if (!automaton) return {};
  return Grammar(std::make_shared<const Automaton>(std::move(*automaton)));
}

Grammar GrammarBuilder::build(Rule root) const {
  if (auto grammar = build_if_any(root)) return std::move(*grammar);
  throw Error(Code::bad_input, "no text is of this grammar", {}, "every way through it goes on for ever");
}

}  // namespace hearth::sample
