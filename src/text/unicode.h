// Characters and what they are: the classes that pre-tokenizers and normalisers ask about. For this room only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hearth::text {

// Sets of characters, as bits: Unicode's general categories, and white space.
using Classes = std::uint8_t;
inline constexpr Classes letter = 1;        // L
inline constexpr Classes number = 2;        // N
inline constexpr Classes punctuation = 4;   // P
inline constexpr Classes symbol = 8;        // S
inline constexpr Classes mark = 16;         // M
inline constexpr Classes space = 32;        // White_Space, line breaks among them
inline constexpr Classes control = 64;      // C, but not what is unassigned
inline constexpr Classes line_break = 128;  // CR and LF

inline constexpr std::uint32_t replacement_character = 0xfffd;

struct Character {
  std::uint32_t code;  // an invalid byte reads as one replacement_character
  std::uint32_t bytes;
};

// The classes of every character, computed once.
class ClassTable {
 public:
  static const ClassTable& get();
  Classes operator()(std::uint32_t code) const noexcept { return code < 0x10000 ? low_[code] : high(code); }

 private:
  ClassTable();
  static Classes high(std::uint32_t code) noexcept;
  Classes low_[0x10000];
};

// The character that starts at `at` < text.size().
Character decode_multibyte(std::string_view text, std::size_t at) noexcept;
inline Character character_at(std::string_view text, std::size_t at) noexcept {
  const auto lead = static_cast<unsigned char>(text[at]);
  if (lead < 0x80) return {lead, 1};
  return decode_multibyte(text, at);
}

void append_utf8(std::string& text, std::uint32_t code);

enum class Case { none, small, capital };  // capital: title case too
Case case_of(std::uint32_t code) noexcept;
std::uint32_t lower_case(std::uint32_t code) noexcept;  // the simple one

// How many characters a character is without accents: those of its full canonical decomposition that are no nonspacing
// marks.
inline constexpr std::size_t most_bases = 4;
std::size_t without_accents(std::uint32_t code, std::uint32_t (&bases)[most_bases]) noexcept;

// Composed canonically (NFC); what is not valid UTF-8 stays as it is. Linear, however many marks a character has.
std::string composed(std::string_view text);

}  // namespace hearth::text
