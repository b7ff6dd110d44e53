// Regular sets of strings over Unicode characters, as deterministic automata: what can be intersected and complemented.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sample/character_set.h"
#include "sample/regex.h"

namespace hearth::sample {

// Operations throw too_long where their result would have more than fifty thousand states.
class Language {
 public:
  struct State {
    bool accepts = false;
    std::vector<std::pair<CharacterSet, std::uint32_t>> edges = {};  // the sets are disjoint
  };

  static Language all();
  static Language of(const Regex& regex);
  static Language of(const std::vector<std::string>& words);  // UTF-8
  // Any strings of so many characters.
  static Language of_length(std::uint32_t minimum, std::uint32_t maximum);

  Language complement() const;
  Language intersection(const Language& other) const;
  bool empty() const noexcept { return !useful_; }
  bool contains(std::string_view text) const;  // UTF-8
  // Reading starts at state 0. Every state can still come to accept, save that of the empty set.
  const std::vector<State>& states() const noexcept { return states_; }

 private:
  void trim();

  std::vector<State> states_;
  bool useful_ = true;
};

}  // namespace hearth::sample
