// Which places can read all that others can: what keeps the states of ambiguous grammars small.
#include <algorithm>
#include <tuple>
#include <unordered_set>

#include "sample/machine.h"

namespace hearth::sample {

namespace {
std::uint64_t pair_key(std::uint32_t a, std::uint32_t b) {
  return std::uint64_t(a) << 32 | b;
}
}  // namespace

// By chain and frame; of those that share both, the first of the chain alone.
void Machine::sort(Places& places) const {
  const auto key = [&](const Place& p) {
    const auto& node = automaton_->nodes[p.node];
    return std::tuple(node.chain, p.frame, node.rank);
  };
  std::sort(places.begin(), places.end(), [&](const Place& a, const Place& b) { return key(a) < key(b); });
  const auto same = [&](const Place& a, const Place& b) {
    return a.frame == b.frame && automaton_->nodes[a.node].chain == automaton_->nodes[b.node].chain;
  };
  places.erase(std::unique(places.begin(), places.end(), same), places.end());
}

// Compares the places of each chain, which differ in their frames. Frames made later tend to cover earlier ones.
template <class Covers>
void Machine::drop_covered(Places& places, Covers covers) {
  constexpr std::size_t most = 8;  // that each is compared with
  const auto chain = [&](const Place& p) { return automaton_->nodes[p.node].chain; };
  Places kept;
  for (std::size_t end = places.size(); end > 0;) {
    const std::size_t group = kept.size();
    const auto of_chain = chain(places[end - 1]);
    for (; end > 0 && chain(places[end - 1]) == of_chain; --end) {
      const Place& place = places[end - 1];
      const auto first = kept.begin() + std::ptrdiff_t(std::max(group, kept.size() - std::min(kept.size(), most)));
      if (std::any_of(first, kept.end(), [&](const Place& k) { return covers(k, place); })) continue;
      kept.erase(std::remove_if(first, kept.end(), [&](const Place& k) { return covers(place, k); }), kept.end());
      kept.push_back(place);
    }
  }
  std::reverse(kept.begin(), kept.end());
  places = std::move(kept);
}

// In order, each once, and nothing that another place covers.
void Machine::normalise(Places& places) {
  sort(places);
  if (places.size() > 1) drop_covered(places, [&](const Place& a, const Place& b) { return covers(a, b); });
}

bool Machine::known_to_cover(const Place& a, const Place& b) const {
  if (automaton_->nodes[a.node].rank > automaton_->nodes[b.node].rank) return false;
  if (a.frame == b.frame) return true;
  const auto known = covers_.find(pair_key(a.frame, b.frame));
  return known != covers_.end() && known->second;
}

// True only if every text that can follow at `b` can follow at `a`; not every such pair is found.
bool Machine::covers(const Place& a, const Place& b) {
  if (automaton_->nodes[a.node].rank > automaton_->nodes[b.node].rank) return false;
  if (a.frame == b.frame) return true;
  const auto [known, fresh] = covers_.try_emplace(pair_key(a.frame, b.frame), false);
  if (!fresh) return known->second;
  bytes_ += 48;
  constexpr std::size_t most = 64;
  comparisons_ = most;
  assumed_.clear();
  comparing_ = true;
  const bool result = simulates(a.frame, b.frame);
  comparing_ = false;
  for (const auto& [f, g] : assumed_) covers_[pair_key(f, g)] = true;
  return result;
}

// Whether each place after `b` has one after `a` with the same node, or one before it in its chain, whose frame does
// the same for the frame there. What is being asked is assumed to hold meanwhile: frames may continue with themselves.
bool Machine::simulates(Frame a, Frame b) {
  if (a == b) return true;
  if (a == 0 || b == 0) return false;
  if (known_to_cover({0, a}, {0, b})) return true;
  if (std::find(assumed_.begin(), assumed_.end(), std::pair(a, b)) != assumed_.end()) return true;
  if (comparisons_ == 0) return false;
  --comparisons_;
  spend(1);
  const std::size_t depth = assumed_.size();
  assumed_.push_back({a, b});
  const Places &ours = after(a), &theirs = after(b);
  const auto node = [&](const Place& p) -> const auto& {
    return automaton_->nodes[p.node];
  };
  const auto found = [&](const Place& p) {
    return std::any_of(ours.begin(), ours.end(), [&](const Place& q) {
      return node(q).chain == node(p).chain && node(q).rank <= node(p).rank && simulates(q.frame, p.frame);
    });
  };
  constexpr std::size_t most = 32;
  if (ours.size() <= most && theirs.size() <= most && std::all_of(theirs.begin(), theirs.end(), found)) return true;
  assumed_.resize(depth);  // and what was concluded from it
  return false;
}

// The places where reading goes on when the rule of `frame` has ended, all edges that read nothing followed: those with
// edges that read or call, and the end.
const Machine::Places& Machine::after(Frame ended) {
  if (const auto found = after_.find(ended); found != after_.end()) return found->second;
  std::unordered_set<Place, Hash> reached;
  Places todo, places;
  const auto add = [&](const Place& place) {
    spend(1);
    if (reached.insert(place).second) todo.push_back(place);
  };
  const auto add_after = [&](Frame number) {
    const FrameContent content = frames_[number];
    for (const auto& caller : opening(content.whole).callers.at(content.rule))
      add({caller.target, frame(content.whole, caller.rule, content.base)});
    if (content.rule == content.whole)
      for (const Place& place : bases_[content.base]) add(place);
  };
  add_after(ended);
  while (!todo.empty()) {
    const Place place = todo.back();
    todo.pop_back();
    const auto &edges = automaton_->nodes[place.node], &next = automaton_->nodes[place.node + 1];
    if (edges.bytes != next.bytes || edges.calls != next.calls || place.node == automaton_->end)
      places.push_back(place);
    for (auto i = edges.jumps; i < next.jumps; ++i) add({automaton_->jumps[i], place.frame});
    if (!edges.ends_rule) continue;
    if (const auto known = after_.find(place.frame); known != after_.end())
      places.insert(places.end(), known->second.begin(), known->second.end());
    else
      add_after(place.frame);
  }
  spend(places.size());
  sort(places);
  drop_covered(places, [&](const Place& a, const Place& b) { return known_to_cover(a, b); });
  bytes_ += 64 + 8 * places.size();
  return after_.emplace(ended, std::move(places)).first->second;
}

}  // namespace hearth::sample
