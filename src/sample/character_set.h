// Sets of Unicode characters, and the byte sequences that write them in UTF-8.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hearth::sample {

inline constexpr char32_t last_character = 0x10ffff;
// A character that UTF-8 can write: no surrogate, not beyond U+10FFFF.
constexpr bool is_character(char32_t c) noexcept {
  return c <= last_character && !(c >= 0xd800 && c <= 0xdfff);
}

// The character at `at` of well-formed UTF-8; `at` moves behind it.
char32_t take_character(std::string_view text, std::size_t& at);
void append_utf8(std::string& text, char32_t character);

class CharacterSet {
 public:
  using Range = std::pair<char32_t, char32_t>;  // both ends belong to it

  CharacterSet() = default;
  CharacterSet(std::initializer_list<Range> ranges) {
    for (const Range& r : ranges) add(r.first, r.second);
  }
  static CharacterSet all() { return {{0, last_character}}; }

  void add(char32_t first, char32_t last);
  void add(const CharacterSet& other);
  CharacterSet negated() const;
  CharacterSet without(const CharacterSet& other) const;
  CharacterSet common(const CharacterSet& other) const { return without(other.negated()); }
  bool contains(char32_t c) const noexcept;
  bool empty() const noexcept { return ranges_.empty(); }
  const std::vector<Range>& ranges() const noexcept { return ranges_; }  // in order, with gaps between
  bool operator==(const CharacterSet&) const = default;

 private:
  std::vector<Range> ranges_;
};

struct ByteRange {
  std::uint8_t first, last;
  auto operator<=>(const ByteRange&) const = default;
};
using ByteSequence = std::vector<ByteRange>;  // one to four

// In order and disjoint; surrogates are left out.  [RFC 3629]
std::vector<ByteSequence> utf8_sequences(const CharacterSet& set);

}  // namespace hearth::sample
