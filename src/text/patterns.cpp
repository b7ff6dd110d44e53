#include "text/patterns.h"

namespace hearth::text::patterns {

std::size_t match_cased_word(const Scanner& scanner, std::size_t at, Classes wanted, bool everywhere) {
  const auto is = [&](Case wanted_case, std::uint32_t code) {
    if (code < 0x80) return wanted_case == Case::small ? code >= 'a' && code <= 'z' : code >= 'A' && code <= 'Z';
    return everywhere && case_of(code) == wanted_case;
  };
  std::size_t last_small = at;  // the end of the last character that may stand in Y
  const std::size_t capitals = scanner.run_if(
      at, [&](std::uint32_t code, Classes classes) { return (classes & wanted) && !is(Case::small, code); });
  const std::size_t small = scanner.run_if(
      capitals, [&](std::uint32_t code, Classes classes) { return (classes & wanted) && !is(Case::capital, code); });
  if (small != capitals) return small;
  for (std::size_t i = at; i < capitals;) {
    const Character character = scanner.character(i);
    i += character.bytes;
    if (!is(Case::capital, character.code)) last_small = i;
  }
  return last_small != at ? last_small : capitals;
}

std::size_t match_phrase(const Scanner& scanner, std::size_t at) {
  while (scanner.is(at, letter)) {
    at = scanner.run(scanner.next(at), mark);
    if (scanner.byte(at) == ' ' && scanner.is(at + 1, letter)) ++at;
  }
  return at;
}

std::size_t punctuated(const Scanner& scanner, std::size_t at, bool lone_breaks) {
  const auto is_ascii_letter = [](std::uint32_t code, Classes) { return (code | 32) >= 'a' && (code | 32) <= 'z'; };
  const Classes first = scanner.classes(at);
  if (static_cast<unsigned char>(scanner.byte(at)) < 0x80 && (first & (punctuation | symbol))) {
    const std::size_t end = scanner.run_if(at + 1, is_ascii_letter);
    if (end != at + 1) return end;
  }
  if (!(first & (line_break | letter | punctuation | symbol))) {
    const std::size_t word = scanner.next(at), end = scanner.run(word, letter | mark);
    if (end != word) return end;
  }
  if (const std::size_t end = scanner.run(at, letter | mark); end != at) return end;

  const std::size_t others = at + (scanner.byte(at) == ' ');
  const std::size_t end = scanner.run(others, punctuation | symbol);
  if (end != others) return lone_breaks ? end : scanner.run(end, line_break);
  if (lone_breaks) return first & line_break ? at + 1 : match_space(scanner, at);
  return match_lines(scanner, at);
}

}  // namespace hearth::text::patterns
