#include "sample/grammar.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <mutex>
#include <unordered_map>

#include "base/error.h"
#include "sample/machine.h"

namespace hearth::sample {

bool Grammar::matches(std::string_view text) const {
  Machine machine(automaton_);
  Machine::State state = machine.start();
  for (const char byte : text) {
    machine.allow_work();
    state = machine.step(state, std::uint8_t(byte));
    if (state == Machine::dead) return false;
  }
  return machine.accepts(state);
}

namespace {

using State = Machine::State;

// The tokens that may come in one state: their list where they are few, else a bit for each.
struct Mask {
  std::vector<Token> few;
  std::vector<std::uint64_t> bits;
  bool none = true;
  std::uint32_t farthest = 0;  // from an end, after one of them
};

// For each byte, its bits as words of ones and zeros.
constexpr auto spread = [] {
  std::array<std::array<std::uint32_t, 8>, 256> table{};
  for (std::size_t byte = 0; byte < table.size(); ++byte)
    for (std::size_t bit = 0; bit < 8; ++bit) table[byte][bit] = byte >> bit & 1 ? ~std::uint32_t(0) : 0;
  return table;
}();

// What all clones of a constraint have learned.
struct Learned {
  Learned(std::shared_ptr<const Automaton> automaton, std::shared_ptr<const Distances> distances, std::size_t memory)
      : machine(std::move(automaton), std::move(distances)), limit(memory) {}
  std::mutex mutex;
  Machine machine;
  std::unordered_map<State, std::shared_ptr<const Mask>> masks;  // alike states share theirs
  std::size_t mask_bytes = 0;
  std::size_t limit;  // bytes; beyond, all is learned anew

  std::size_t bytes() const { return machine.bytes() + mask_bytes; }
};

class GrammarConstraint : public Constraint {
 public:
  GrammarConstraint(std::shared_ptr<const TokenTable> table, std::shared_ptr<const Automaton> automaton,
                    std::size_t memory)
      : table_(std::move(table)),
        automaton_(std::move(automaton)),
        distances_(std::make_shared<const Distances>(*automaton_, *table_)),
        memory_(memory),
        learned_(std::make_shared<Learned>(automaton_, distances_, memory_)),
        state_(learned_->machine.start()) {
    update();
  }

  void mask(std::span<float> logits) override {
    const std::unique_lock lock = enter();
    const Mask& mask = find_mask();
    if (mask.none) throw Error(Code::unsupported, "no token of the vocabulary can follow here in the grammar");
    if (limited() && mask.farthest >= left_)
      apply(make_mask(state_, left_ - 1), logits);
    else
      apply(mask, logits);
  }

  bool allows(Token token) override {
    const std::unique_lock lock = enter();
    const State next = after(token);
    if (next == Machine::dead) return table_->ends(token) && accepts_ && !ended_;
    return !limited() || learned_->machine.distance(next) < left_;
  }

  void limit(std::size_t tokens) override {
    left_ = std::uint32_t(std::clamp<std::size_t>(tokens, 1, Distances::unreachable));
  }

  void accept(Token token) override {
    const std::unique_lock lock = enter();
    if (table_->ends(token) && accepts_ && !ended_) {
      ended_ = true;
      return;
    }
    const State next = after(token);
    if (next == Machine::dead) throw Error(Code::usage, fmt::format("token {} does not follow in the grammar", token));
    state_ = next;
    update();
  }

  bool complete() const override { return ended_ || (accepts_ && !goes_on_); }

  std::unique_ptr<Constraint> clone() const override { return std::make_unique<GrammarConstraint>(*this); }

 private:
  // Everything learned is let go when it is too much: clones in the middle of an answer keep theirs until their turn.
  std::unique_lock<std::mutex> enter() {
    std::unique_lock lock(learned_->mutex);
    if (learned_->bytes() > learned_->limit) {
      auto fresh = std::make_shared<Learned>(automaton_, distances_, memory_);
      state_ = fresh->machine.adopt(learned_->machine, state_);
      fresh->limit = std::max(fresh->limit, 2 * fresh->bytes());
      lock.unlock();
      learned_ = std::move(fresh);
      lock = std::unique_lock(learned_->mutex);
    }
    learned_->machine.allow_work();
    return lock;
  }

  void update() {
    accepts_ = learned_->machine.accepts(state_);
    goes_on_ = learned_->machine.goes_on(state_);
  }

  // Whether an end can be held in reach: then some token allowed brings it nearer.
  bool limited() const {
    return learned_->machine.distance(state_) <= left_ && !(accepts_ && table_->endings().empty());
  }

  State after(Token token) {
    if (ended_ || token < 0 || std::size_t(token) >= table_->size() || table_->ends(token)) return Machine::dead;
    const std::string_view text = table_->text(token);
    if (text.empty()) return Machine::dead;
    State state = state_;
    for (std::size_t i = 0; i < text.size() && state != Machine::dead; ++i)
      state = learned_->machine.step(state, std::uint8_t(text[i]));
    return state;
  }

  const Mask& find_mask() {
    static const Mask nothing;
    if (ended_) return nothing;
    auto& masks = learned_->masks;
    if (const auto found = masks.find(state_); found != masks.end()) return *found->second;
    const State alike = learned_->machine.alike(state_, table_->longest());
    std::shared_ptr<const Mask>& mask = masks[alike];
    if (!mask) mask = std::make_shared<const Mask>(make_mask(alike));
    learned_->mask_bytes +=
        2 * sizeof(Mask) + mask->few.size() * sizeof(Token) + mask->bits.size() * sizeof(mask->bits[0]);
    return *masks.emplace(state_, mask).first->second;
  }

  // The tokens that may come there, save those after which an end is more than `most` tokens away.
  Mask make_mask(State from, std::uint32_t most = Distances::unreachable) {
    Machine& machine = learned_->machine;
    Mask mask;
    std::vector<State> path(table_->longest() + 1);
    path[0] = from;
    const auto trie = table_->trie();
    for (std::size_t i = 0; i < trie.size();) {
      const TokenTable::Node& node = trie[i];
      const State state = machine.step(path[node.depth], node.byte);
      if (state == Machine::dead) {
        i = node.next;
        continue;
      }
      path[node.depth + 1] = state;
      ++i;
      const std::uint32_t distance = machine.distance(state);
      if (node.first_token == node.last_token || distance > most) continue;
      mask.farthest = std::max(mask.farthest, distance);
      for (auto t = node.first_token; t < node.last_token; ++t) mask.few.push_back(table_->trie_tokens()[t]);
    }
    if (machine.accepts(from)) mask.few.insert(mask.few.end(), table_->endings().begin(), table_->endings().end());
    mask.none = mask.few.empty();
    if (mask.few.size() < table_->size() / 32) {
      mask.few.shrink_to_fit();
      return mask;
    }
    mask.bits.resize((table_->size() + 63) / 64);
    for (const Token token : mask.few) mask.bits[std::size_t(token) / 64] |= std::uint64_t(1) << (token % 64);
    mask.few = {};
    return mask;
  }

  static void apply(const Mask& mask, std::span<float> logits) {
    constexpr float refused = -std::numeric_limits<float>::infinity();
    if (mask.bits.empty()) {
      std::vector<float> kept(mask.few.size());
      for (std::size_t i = 0; i < kept.size(); ++i)
        if (std::size_t(mask.few[i]) < logits.size()) kept[i] = logits[mask.few[i]];
      std::fill(logits.begin(), logits.end(), refused);
      for (std::size_t i = 0; i < kept.size(); ++i)
        if (std::size_t(mask.few[i]) < logits.size()) logits[mask.few[i]] = kept[i];
      return;
    }
    for (std::size_t start = 0; start < logits.size(); start += 8) {
      const std::size_t word = start / 64, count = std::min<std::size_t>(8, logits.size() - start);
      const auto bits = std::uint8_t(word < mask.bits.size() ? mask.bits[word] >> (start % 64) : 0);
      const auto& keep = spread[bits];
      for (std::size_t i = 0; i < count; ++i)
        logits[start + i] = std::bit_cast<float>((std::bit_cast<std::uint32_t>(logits[start + i]) & keep[i]) |
                                                 (std::bit_cast<std::uint32_t>(refused) & ~keep[i]));
    }
  }

  std::shared_ptr<const TokenTable> table_;
  std::shared_ptr<const Automaton> automaton_;
  std::shared_ptr<const Distances> distances_;
  std::size_t memory_;
  std::shared_ptr<Learned> learned_;
  State state_;
  std::uint32_t left_ = Distances::unreachable;  // tokens
  bool accepts_ = false, goes_on_ = false, ended_ = false;
};

}  // namespace

std::unique_ptr<Constraint> grammar_constraint(std::shared_ptr<const TokenTable> table, const Grammar& grammar,
                                               std::size_t memory) {
  return std::make_unique<GrammarConstraint>(std::move(table), grammar.automaton(), memory);
}

}  // namespace hearth::sample
