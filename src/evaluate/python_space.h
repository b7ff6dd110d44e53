// What Python's str.strip calls a space, at the end and the beginning of UTF-8 text.
#pragma once

#include <algorithm>
#include <string_view>

namespace hearth::evaluate {

inline constexpr std::string_view python_spaces[] = {
    " ",      "\t",     "\n",     "\v",     "\f",     "\r",     "\x1c",   "\x1d",   "\x1e",   "\x1f",
    "\u0085", "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006",
    "\u2007", "\u2008", "\u2009", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"};

inline std::string_view strip_end(std::string_view text) {
  const auto ends = [&](std::string_view space) { return text.ends_with(space); };
  for (;;) {
    const auto* const space = std::find_if(std::begin(python_spaces), std::end(python_spaces), ends);
    if (space == std::end(python_spaces)) return text;
    text.remove_suffix(space->size());
  }
}

inline std::string_view strip(std::string_view text) {
  text = strip_end(text);
  const auto begins = [&](std::string_view space) { return text.starts_with(space); };
  for (;;) {
    const auto* const space = std::find_if(std::begin(python_spaces), std::end(python_spaces), begins);
    if (space == std::end(python_spaces)) return text;
    text.remove_prefix(space->size());
  }
}

}  // namespace hearth::evaluate
