// The patterns that published pre-tokenizers are made of, each beside the regular expression that it stands for. For
// this room only.
#pragma once

#include <limits>

#include "text/scanner.h"

namespace hearth::text::patterns {

inline constexpr std::size_t any_number_of = std::numeric_limits<std::size_t>::max();

// GPT-2's: 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// `lone_numbers`: each \p{N} has been cut out before, and a text ends there.
template <bool lone_numbers>
std::size_t gpt2(const Scanner& scanner, std::size_t at) {
  if (const std::size_t end = match_contraction(scanner, at, false); end != at) return end;
  const std::size_t word = at + (scanner.byte(at) == ' ');
  const Classes first = scanner.classes(word);
  if (first & letter) return scanner.run(word, letter);
  if (first & number) {
    if (!lone_numbers) return scanner.run(word, number);
    return word == at ? scanner.next(at) : word;
  }
  if (word < scanner.end() && !(first & space)) return scanner.run_without(word, space | letter | number);
  if (!lone_numbers) return match_space(scanner, at);
  const std::size_t end = scanner.run(at, space);
  return scanner.is(end, number) ? end : match_space(scanner, at);
}

enum class Words {
  letters,            // [^\r\n\p{L}\p{N}]?\p{L}+
  letters_and_marks,  // [^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+
  cased,              // capitals, then small letters: see match_cased_word
  cased_and_marks,
  cased_everywhere,  // the same with marks, and with the case of all letters and not of ASCII's alone
  phrases,           // [^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+
};
enum class Contractions { none, first, after_word };

// What GPT-4's pattern and its many descendants differ in.
struct Style {
  Words words = Words::letters;
  Contractions contractions = Contractions::first;  // (?i:'s|'t|'re|'ve|'m|'ll|'d)
  std::size_t digits = 1;                           // \p{N}{1,digits}
  Classes others = letter | number | space;         // " ?[^...]+": neither of these
  std::string_view tail = "\r\n";                   // after them: [...]*
  std::size_t tail_limit = any_number_of;
};

// X*Y+|X+Y*, where X is any letter but small ones and Y any but capitals, of ASCII or `everywhere`. `wanted`: what
// counts as a letter.
std::size_t match_cased_word(const Scanner& scanner, std::size_t at, Classes wanted, bool everywhere = false);
std::size_t match_phrase(const Scanner& scanner, std::size_t at);

inline std::size_t match_word(const Scanner& scanner, std::size_t at, Words words) {
  switch (words) {
    case Words::letters:
      return scanner.run(at, letter);
    case Words::letters_and_marks:
      return scanner.run(at, letter | mark);
    case Words::cased:
      return match_cased_word(scanner, at, letter);
    case Words::cased_and_marks:
      return match_cased_word(scanner, at, letter | mark);
    case Words::cased_everywhere:
      return match_cased_word(scanner, at, letter | mark, true);
    case Words::phrases:
      return match_phrase(scanner, at);
  }
  return at;
}

// White space up to its last line break, "\s*[\r\n]+"; else as match_space.
inline std::size_t match_lines(const Scanner& scanner, std::size_t at) {
  std::size_t after_break = at, end = at;
  for (; scanner.is(end, space); end = scanner.next(end))
    if (scanner.is(end, line_break)) after_break = end + 1;
  return after_break != at ? after_break : match_space(scanner, at);
}

// What no word begins with.
inline std::size_t between_words(const Scanner& scanner, std::size_t at, const Style& style) {
  if (const std::size_t end = scanner.run(at, number, style.digits); end != at) return end;

  const std::size_t others = at + (scanner.byte(at) == ' ');
  std::size_t end = scanner.run_without(others, style.others);
  if (end != others) {
    for (std::size_t tail = 0; tail < style.tail_limit && end < scanner.end(); ++tail, ++end)
      if (style.tail.find(scanner.byte(end)) == std::string_view::npos) break;
    return end;
  }
  return match_lines(scanner, at);
}

inline std::size_t modern(const Scanner& scanner, std::size_t at, const Style& style) {
  if (style.contractions == Contractions::first)
    if (const std::size_t end = match_contraction(scanner, at, true); end != at) return end;

  const Classes first = scanner.classes(at);
  std::size_t end = at;
  if (!(first & (line_break | letter | number))) {
    const std::size_t word = scanner.next(at);
    end = match_word(scanner, word, style.words);
    if (end == word) end = at;
  }
  if (end == at) end = match_word(scanner, at, style.words);
  if (end != at) return style.contractions == Contractions::after_word ? match_contraction(scanner, end, true) : end;

  return between_words(scanner, at, style);
}

// DeepSeek V3's, after numbers and Chinese or Japanese have been cut out:
// [ASCII punctuation][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
// `lone_breaks`: " ?[\p{P}\p{S}]+|[\r\n]" in the middle instead.
std::size_t punctuated(const Scanner& scanner, std::size_t at, bool lone_breaks);

}  // namespace hearth::text::patterns
