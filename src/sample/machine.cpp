#include "sample/machine.h"

#include <algorithm>
#include <functional>
#include <map>
#include <queue>

#include "base/error.h"

namespace hearth::sample {

std::pair<std::uint32_t, const std::u32string*> Machine::Index::add(std::u32string key) {
  const auto [found, fresh] = numbers_.try_emplace(std::move(key), std::uint32_t(numbers_.size()));
  return {found->second, &found->first};
}

Machine::Machine(std::shared_ptr<const Automaton> automaton, std::shared_ptr<const Distances> distances)
    : automaton_(std::move(automaton)), distances_(std::move(distances)) {
  allow_work();
  Places none;
  state(none, false);  // dead
  base(none);
  frame(0, 0, 0);  // of what stands outside all rules
  Places after_root{{automaton_->end, 0}};
  add_readers(automaton_->root, base(after_root));
  accepts_ = automaton_->may_be_empty;
  start_ = settle();
}

void Machine::allow_work() noexcept {
  work_ = 2'000'000;
}

void Machine::spend(std::size_t work) {
  if (work > work_)
    throw Error(Code::unsupported, "the grammar is too ambiguous to be followed", {},
                "let its alternatives differ in how they begin");
  work_ -= work;
}

namespace {
std::u32string key_of(const auto& places, std::u32string key) {
  for (const auto& place : places) {
    key += char32_t(place.node);
    key += char32_t(place.frame);
  }
  return key;
}
}  // namespace

Machine::State Machine::state(Places& places, bool accepts) {
  normalise(places);
  const auto [number, key] = state_index_.add(key_of(places, std::u32string(1, char32_t(accepts))));
  if (number == states_.size()) {
    states_.push_back({key, places.size(), accepts, accepts ? 0 : distance(places), {}});
    states_.back().next.assign(automaton_->class_member.size(), unknown);
    bytes_ += sizeof(StateContent) + 64 + 4 * (key->size() + automaton_->class_member.size());
  }
  return number;
}

std::uint32_t Machine::base(Places& places) {
  normalise(places);
  spend(places.size());
  const std::uint32_t number = base_index_.add(key_of(places, {})).first;
  if (number == bases_.size()) {
    base_distances_.push_back(distance(places));
    bases_.push_back(places);
    bytes_ += 128 + 16 * places.size();
  }
  return number;
}

Machine::Frame Machine::frame(Rule whole, Rule rule, std::uint32_t base) {
  const std::uint32_t number = frame_index_.add({char32_t(whole), char32_t(rule), char32_t(base)}).first;
  if (number < frames_.size()) return same_as_[number];
  frames_.push_back({whole, rule, base});
  const bool measured = distances_ && number > 0;
  frame_distances_.push_back(measured ? Distances::sum(opening(whole).distances.at(rule), base_distances_[base]) : 0);
  same_as_.push_back(number);
  bytes_ += 96;
  if (comparing_) return number;
  // Recursion that adds nothing to what may follow makes no new frame.
  constexpr std::size_t most = 4;
  std::size_t tried = 0;
  for (const Place& place : bases_[base]) {
    const FrameContent& outer = frames_[place.frame];
    if (place.frame == 0 || outer.whole != whole || outer.rule != rule || ++tried > most) continue;
    if (covers({0, number}, {0, place.frame}) && covers({0, place.frame}, {0, number})) {
      same_as_[number] = place.frame;
      break;
    }
  }
  return same_as_[number];
}

const Machine::Opening& Machine::opening(Rule whole) {
  if (const auto found = openings_.find(whole); found != openings_.end()) return found->second;
  Opening opening;
  opening.rules.push_back(whole);
  opening.callers[whole];
  for (std::size_t i = 0; i < opening.rules.size(); ++i) {
    const Rule rule = opening.rules[i];
    for (const auto& edge : automaton_->rules[rule].calls) {
      const auto [callers, first] = opening.callers.try_emplace(edge.rule);
      if (first) opening.rules.push_back(edge.rule);
      callers->second.push_back({rule, edge.target, edge.last});
      spend(1);
    }
  }
  if (distances_) measure(opening);
  bytes_ += 128 + 96 * opening.rules.size();
  return openings_.emplace(whole, std::move(opening)).first->second;
}

// A rule that a rule began with may be called again and again where it ends: the shortest way is what counts.
void Machine::measure(Opening& opening) const {
  std::unordered_map<Rule, std::vector<std::pair<Rule, Node>>> called;
  for (const auto& [rule, callers] : opening.callers)
    for (const auto& caller : callers) called[caller.rule].push_back({rule, caller.target});
  using Reached = std::pair<std::uint32_t, Rule>;
  std::priority_queue<Reached, std::vector<Reached>, std::greater<>> queue;
  queue.push({0, opening.rules[0]});
  while (!queue.empty()) {
    const auto [tokens, caller] = queue.top();
    queue.pop();
    if (!opening.distances.try_emplace(caller, tokens).second) continue;
    for (const auto& [rule, target] : called[caller]) queue.push({Distances::sum(tokens, (*distances_)[target]), rule});
  }
}

std::uint32_t Machine::distance(const Places& places) const {
  std::uint32_t least = Distances::unreachable;
  if (distances_)
    for (const Place& place : places)
      least = std::min(least, Distances::sum((*distances_)[place.node], frame_distances_[place.frame]));
  return least;
}

void Machine::reach(const Place& place) {
  spend(1);
  if (reached_.insert(place).second) todo_.push_back(place);
}

void Machine::call(const Automaton::CallEdge& edge, Frame from) {
  if (!edge.last) {
    called_.push_back({edge.rule, {edge.target, from}});
    return;
  }
  // Nothing follows in the calling rule: what comes after the called one is what comes after the calling one, and so
  // recursion at the end of a rule leaves no trace. A rule that so calls itself just begins again.
  const FrameContent& f = frames_[from];
  const Places& places = f.rule == edge.rule && f.whole == edge.rule ? bases_[f.base] : after(from);
  spend(places.size());
  for (const Place& place : places) called_.push_back({edge.rule, place});
}

// The reading stands at `place`; its jumps are followed elsewhere.
void Machine::stand(const Place& place) {
  spend(1);
  const auto &edges = automaton_->nodes[place.node], &next = automaton_->nodes[place.node + 1];
  if (place.node == automaton_->end) accepts_ = true;
  if (edges.bytes != next.bytes) readers_.push_back(place);
  for (auto i = edges.calls; i < next.calls; ++i) call(automaton_->calls[i], place.frame);
}

void Machine::add_readers(Rule called, std::uint32_t base) {
  for (const Rule rule : opening(called).rules) {
    const auto& readers = automaton_->rules[rule].readers;
    spend(1 + readers.size());
    if (readers.empty()) continue;
    const Frame inside = frame(called, rule, base);
    for (const Node node : readers) readers_.push_back({node, inside});
  }
}

// From the places in todo_, through all edges that read nothing, to the places that read.
Machine::State Machine::settle() {
  while (!todo_.empty()) {
    const Place place = todo_.back();
    todo_.pop_back();
    stand(place);
    const auto &edges = automaton_->nodes[place.node], &next = automaton_->nodes[place.node + 1];
    for (auto i = edges.jumps; i < next.jumps; ++i) reach({automaton_->jumps[i], place.frame});
    if (edges.ends_rule && ended_.insert(place.frame).second)
      for (const Place& p : after(place.frame)) stand(p);
  }
  std::sort(called_.begin(), called_.end());
  for (std::size_t i = 0; i < called_.size();) {
    const Rule rule = called_[i].first;
    Places after;
    for (; i < called_.size() && called_[i].first == rule; ++i) after.push_back(called_[i].second);
    add_readers(rule, base(after));
  }
  const State result = state(readers_, accepts_);
  forget_step();
  return result;
}

void Machine::forget_step() {
  todo_.clear();
  reached_.clear();
  ended_.clear();
  called_.clear();
  readers_.clear();
  accepts_ = comparing_ = false;
}

Machine::State Machine::step(State from, std::uint8_t byte) {
  const std::uint8_t byte_class = automaton_->byte_class[byte];
  if (const State next = states_[from].next[byte_class]; next != unknown) return next;
  forget_step();  // an error may have left one half done
  const std::uint8_t member = automaton_->class_member[byte_class];
  const std::u32string& key = *states_[from].key;
  for (std::size_t i = 1; i < key.size(); i += 2) {
    const Node node = Node(key[i]);
    for (auto e = automaton_->nodes[node].bytes; e < automaton_->nodes[node + 1].bytes; ++e) {
      const auto& edge = automaton_->bytes[e];
      if (edge.first <= member && member <= edge.last) reach({edge.target, Frame(key[i + 1])});
    }
  }
  const State next = settle();
  states_[from].next[byte_class] = next;
  return next;
}

Machine::State Machine::translate(const Machine& other, State theirs, std::uint32_t horizon) {
  Places places;
  const std::u32string& key = *other.states_[theirs].key;
  for (std::size_t i = 1; i < key.size(); i += 2) places.push_back({Node(key[i]), Frame(key[i + 1])});
  // A frame is made after those that its base names.
  std::map<Frame, Frame> ours{{0, 0}};
  std::vector<Frame> open;
  const auto need = [&](const Places& all) {
    for (const Place& place : all)
      if (ours.try_emplace(place.frame, 0).second) open.push_back(place.frame);
  };
  need(places);
  while (!open.empty()) {
    const Frame next = open.back();
    open.pop_back();
    need(other.bases_[other.frames_[next].base]);
  }
  const auto translated = [&](Places all) {
    for (Place& place : all) {
      const auto& node = automaton_->nodes[place.node];
      place = {node.left >= horizon ? node.chain : place.node, ours.at(place.frame)};
    }
    return all;
  };
  for (auto& [their_frame, our_frame] : ours) {
    if (their_frame == 0) continue;
    const FrameContent content = other.frames_[their_frame];
    Places after = translated(other.bases_[content.base]);
    work_ += after.size();  // no new ground
    our_frame = frame(content.whole, content.rule, base(after));
  }
  places = translated(std::move(places));
  return state(places, other.states_[theirs].accepts);
}

}  // namespace hearth::sample
