// Regular expressions of JSON Schema's `pattern`, as what they are: descriptions of sets of strings.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "sample/character_set.h"

namespace hearth::sample {

// The whole strings in which an expression is found.
struct Regex {
  enum class Kind : std::uint8_t { characters, sequence, choice, repeat };
  static constexpr std::uint32_t unbounded = ~std::uint32_t(0);

  Kind kind = Kind::sequence;
  CharacterSet set = {};          // characters: any one of them
  std::vector<Regex> parts = {};  // repeat: one
  std::uint32_t minimum = 0, maximum = 0;
};

// Reads ECMA-262 syntax, with its unanchored meaning: "b" is found in "abc", "^b$" in "b" alone. Classes, escapes,
// Unicode's general categories (\p{L}), groups (named ones too), alternatives, greedy and lazy repetitions; ^ and $
// where an alternative begins and ends. Throws bad_input for what is no regular expression, unsupported naming
// look-around, back references, word boundaries, other Unicode properties and anchors inside.
Regex parse_regex(std::string_view pattern);

}  // namespace hearth::sample
