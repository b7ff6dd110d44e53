// Follows a grammar byte by byte: sets of places in its networks, met once and remembered.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "sample/automaton.h"
#include "sample/distances.h"

namespace hearth::sample {

// A state is the set of all places where the reading may stand: a node, and what comes after its rule. What comes after
// is itself such a set, and equal ones are one; so a state says what may follow and not how it was reached, ambiguous
// readings meet again at once, and the text's length does not matter. After: generalised LL parsing with a
// graph-structured stack [Scott and Johnstone 2010], the stack's nodes told apart by what they continue with.
class Machine {
 public:
  using State = std::uint32_t;
  static constexpr State dead = 0;

  // Without distances none are known.
  explicit Machine(std::shared_ptr<const Automaton> automaton, std::shared_ptr<const Distances> distances = nullptr);

  State start() const noexcept { return start_; }
  // The state after one more byte; dead where the grammar has no text that begins so.
  State step(State state, std::uint8_t byte);
  bool accepts(State state) const noexcept { return states_[state].accepts; }     // the text may end here
  bool goes_on(State state) const noexcept { return states_[state].places > 0; }  // more may come
  // Tokens that bring the text to its end, at most. One of them leads to a state where it is one less.
  std::uint32_t distance(State state) const noexcept { return states_[state].distance; }
  // The state of another machine of the same grammar.
  State adopt(const Machine& other, State state) { return translate(other, state, ~std::uint32_t(0)); }
  // A state in which the same texts of up to so many bytes can be read: counts that are far from their ends are the
  // same.
  State alike(State state, std::size_t horizon) { return translate(*this, state, std::uint32_t(horizon)); }

  // Steps are paid for out of this; throws unsupported when it is used up: the grammar is too ambiguous.
  void allow_work() noexcept;
  std::size_t bytes() const noexcept { return bytes_; }  // memory, about

 private:
  using Node = Automaton::Node;
  using Rule = Automaton::Rule;
  // Where to go on when a rule ends: a node, and that node's own rule's frame.
  using Frame = std::uint32_t;
  struct Place {
    Node node;
    Frame frame;
    auto operator<=>(const Place&) const = default;
  };
  using Places = std::vector<Place>;
  // Rule `rule` at the very start of rule `whole`, after which comes `base`.
  struct FrameContent {
    Rule whole, rule;
    std::uint32_t base;
  };
  // The rules that a rule can begin with, itself first, each with the calls of it at the start of one of them.
  struct Opening {
    struct Caller {
      Rule rule;
      Node target;
      bool last;
    };
    std::vector<Rule> rules;
    std::unordered_map<Rule, std::vector<Caller>> callers;
    std::unordered_map<Rule, std::uint32_t> distances;  // from each one's end to that of the first, in tokens
  };
  struct StateContent {
    const std::u32string* key;  // accepts, then the places
    std::size_t places;
    bool accepts;
    std::uint32_t distance;
    std::vector<State> next;  // by class of byte; `unknown` until asked for
  };
  static constexpr State unknown = ~State(0);
  // Equal contents have equal numbers.
  class Index {
   public:
    std::pair<std::uint32_t, const std::u32string*> add(std::u32string key);
    std::size_t size() const noexcept { return numbers_.size(); }

   private:
    std::unordered_map<std::u32string, std::uint32_t> numbers_;
  };

  State translate(const Machine& other, State state, std::uint32_t horizon);
  void spend(std::size_t work);
  void sort(Places& places) const;
  template <class Covers>
  void drop_covered(Places& places, Covers covers);
  void normalise(Places& places);
  bool covers(const Place& a, const Place& b);
  bool known_to_cover(const Place& a, const Place& b) const;
  bool simulates(Frame a, Frame b);
  const Places& after(Frame frame);
  void reach(const Place& place);
  void stand(const Place& place);
  void call(const Automaton::CallEdge& edge, Frame from);
  void add_readers(Rule called, std::uint32_t base);
  State settle();
  void forget_step();
  const Opening& opening(Rule rule);
  void measure(Opening& opening) const;
  std::uint32_t distance(const Places& places) const;
  Frame frame(Rule whole, Rule rule, std::uint32_t base);
  std::uint32_t base(Places& places);
  State state(Places& places, bool accepts);

  std::shared_ptr<const Automaton> automaton_;
  std::shared_ptr<const Distances> distances_;
  Index state_index_, frame_index_, base_index_;
  std::vector<StateContent> states_;
  std::vector<FrameContent> frames_;
  std::vector<Frame> same_as_;                      // of each frame, the one that stands for it
  std::unordered_map<Frame, Places> after_;         // where frames continue, as far as that was asked
  std::unordered_map<std::uint64_t, bool> covers_;  // pairs of frames that were compared
  std::vector<Places> bases_;
  std::vector<std::uint32_t> frame_distances_, base_distances_;  // from where each begins to the end of the text
  std::unordered_map<Rule, Opening> openings_;
  State start_ = dead;
  std::size_t bytes_ = 0, work_ = 0;

  // Of the step being made.
  struct Hash {
    std::size_t operator()(const Place& p) const noexcept {
      return std::size_t((std::uint64_t(p.frame) << 32 | p.node) * 0x9e3779b97f4a7c15u >> 20);
    }
  };
  std::unordered_set<Place, Hash> reached_;
  std::unordered_set<Frame> ended_;
  Places todo_;
  std::vector<std::pair<Rule, Place>> called_;  // and where to go on after it
  Places readers_;
  bool accepts_ = false;

  // Of the comparison being made.
  std::vector<std::pair<Frame, Frame>> assumed_;
  std::size_t comparisons_ = 0;
  bool comparing_ = false;
};

}  // namespace hearth::sample
