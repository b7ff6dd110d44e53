// What the patterns of pre-tokenizers are made of: runs of characters by class, looked at in UTF-8. For this room only.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "text/unicode.h"

namespace hearth::text {

// A stretch of text, from its beginning to `end`; positions are bytes of the whole.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text), table_(ClassTable::get()) {}

  std::size_t end() const noexcept { return text_.size(); }
  char byte(std::size_t at) const noexcept { return at < text_.size() ? text_[at] : '\0'; }
  Character character(std::size_t at) const noexcept { return character_at(text_, at); }
  std::size_t next(std::size_t at) const noexcept { return at + character(at).bytes; }
  // At the end: no class at all.
  Classes classes(std::size_t at) const noexcept {
    return at < text_.size() ? table_(character_at(text_, at).code) : Classes(0);
  }
  bool is(std::size_t at, Classes wanted) const noexcept { return (classes(at) & wanted) != 0; }

  // The end of the run of characters that have one of the classes.
  std::size_t run(std::size_t at, Classes wanted) const noexcept {
    return run_if(at, [&](std::uint32_t, Classes classes) { return (classes & wanted) != 0; });
  }
  std::size_t run_without(std::size_t at, Classes unwanted) const noexcept {
    return run_if(at, [&](std::uint32_t, Classes classes) { return (classes & unwanted) == 0; });
  }
  // At most `limit` characters.
  std::size_t run(std::size_t at, Classes wanted, std::size_t limit) const noexcept {
    for (; limit > 0 && is(at, wanted); --limit) at = next(at);
    return at;
  }
  template <class Accept>
  std::size_t run_if(std::size_t at, const Accept& accept) const noexcept {
    while (at < text_.size()) {
      const Character character = character_at(text_, at);
      if (!accept(character.code, table_(character.code))) break;
      at += character.bytes;
    }
    return at;
  }
  std::size_t run_of(std::size_t at, std::string_view ascii) const noexcept {
    while (at < text_.size() && ascii.find(text_[at]) != std::string_view::npos) ++at;
    return at;
  }
  // The beginning of the character before `at`, for white space: none of it is longer than three bytes.
  std::size_t previous(std::size_t at) const noexcept {
    do --at;
    while ((static_cast<unsigned char>(text_[at]) & 0xc0) == 0x80);
    return at;
  }

 private:
  std::string_view text_;
  const ClassTable& table_;
};

// A pattern: the end of its match at `at`, or `at` where there is none.
using Pattern = std::size_t (*)(const Scanner& scanner, std::size_t at);

// Each match is a word of its own, and so is what lies between matches.
template <Pattern pattern>
void cut_at(std::string_view text, std::span<const std::uint32_t> ends, std::vector<std::uint32_t>& cut) {
  std::size_t begin = 0;
  for (const std::uint32_t end : ends) {
    const Scanner scanner(text.substr(0, end));
    std::size_t gap = begin;
    for (std::size_t at = begin; at < end;) {
      const std::size_t match = pattern(scanner, at);
      if (match == at) {
        at = scanner.next(at);
        continue;
      }
      if (gap < at) cut.push_back(static_cast<std::uint32_t>(at));
      cut.push_back(static_cast<std::uint32_t>(match));
      at = gap = match;
    }
    if (gap < end) cut.push_back(end);
    begin = end;
  }
}

// White space that no other pattern took: all of it at the end of the text, else all but the last character, which
// stays with the word after it. "\s+(?!\S)|\s+"
inline std::size_t match_space(const Scanner& scanner, std::size_t at) {
  const std::size_t end = scanner.run(at, space);
  if (end == at || end == scanner.end()) return end;
  const std::size_t last = scanner.previous(end);
  return last == at ? end : last;
}

// "'s|'t|'re|'ve|'m|'ll|'d", in any case of letters where asked.
inline std::size_t match_contraction(const Scanner& scanner, std::size_t at, bool any_case) {
  if (scanner.byte(at) != '\'') return at;
  const auto lower = [&](std::size_t i) {
    const char c = scanner.byte(i);
    return any_case && c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c;
  };
  const char first = lower(at + 1), second = lower(at + 2);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 2;
  if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l'))
    return at + 3;
  return at;
}

}  // namespace hearth::text
