// A grammar compiled: one small network a rule, over bytes, whose edges read bytes or call rules.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace hearth::sample {

// What can never come to an end has been taken out, so that whatever is read can be completed.
struct Automaton {
  using Node = std::uint32_t;
  using Rule = std::uint32_t;

  struct ByteEdge {
    std::uint8_t first, last;
    Node target;
  };
  // Goes on at `target` when the rule has read something. What a rule that may be empty reads as nothing is a jump
  // beside the call, so a called rule never ends where it began: left recursion needs no more care than that.
  struct CallEdge {
    Rule rule;
    Node target;
    bool last;  // nothing of the calling rule follows
  };
  struct NodeEdges {
    std::uint32_t bytes, calls, jumps;  // where its edges begin; they end where those of the next node begin
    bool ends_rule;
    // Nodes of a counted repetition that stand at the same place of it are a chain, named by its first: each can read
    // all that those of higher rank can. `left` more must be read, a byte each at least, to tell that they end.
    std::uint32_t chain, rank, left;
  };

  std::vector<NodeEdges> nodes;  // and one more, where the last one's edges end
  std::vector<ByteEdge> bytes;
  std::vector<CallEdge> calls;
  std::vector<Node> jumps;  // edges that read nothing

  // How a rule may begin, its own calls at the very start left apart.
  struct RuleStart {
    std::vector<Node> readers;  // nodes with byte edges
    std::vector<CallEdge> calls;
  };
  std::vector<RuleStart> rules;
  Rule root = 0;
  Node end = 0;  // a node of no rule: after the root
  bool may_be_empty = false;

  std::array<std::uint8_t, 256> byte_class{};  // bytes that no edge tells apart
  std::vector<std::uint8_t> class_member;      // one byte of each class
};

}  // namespace hearth::sample
