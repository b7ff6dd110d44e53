// wordwrap: Python's textwrap, line by line.
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <limits>

#include "base/utf8.h"
#include "text/jinja/filters.h"
#include "text/jinja/methods.h"
#include "text/jinja/unicode.h"

namespace hearth::text::jinja {

namespace {

using Text32 = std::u32string_view;

bool is_gap(char32_t c) {  // textwrap breaks lines at these only
  return c == ' ' || (c >= '\t' && c <= '\r');
}

bool is_letter(char32_t c) {
  return is_word(c) && !is_decimal(c);
}

// What may stand before a dash of several hyphens.
bool before_dash(char32_t c) {
  return is_word(c) || std::u32string_view(U"!\"'&.,?").find(c) != Text32::npos;
}

class Chunks {
 public:
  Chunks(Text32 text, bool at_hyphens) : text_(text), at_hyphens_(at_hyphens) {}

  // Words, parts of words that end with a hyphen, dashes and gaps, in order.
  std::deque<Text32> cut() const {
    std::deque<Text32> out;
    for (std::size_t at = 0; at < text_.size();) {
      const std::size_t end = end_of_chunk(at);
      out.push_back(text_.substr(at, end - at));
      at = end;
    }
    return out;
  }

 private:
  char32_t at(std::size_t i) const { return i < text_.size() ? text_[i] : U' '; }
  bool letter(std::size_t i) const { return i < text_.size() && is_letter(text_[i]); }

  // The end of the dash that begins here after a word and before the next.
  std::size_t dash(std::size_t begin) const {
    if (begin == 0 || !before_dash(text_[begin - 1])) return begin;  // so that a run is gone through once
    std::size_t end = begin;
    while (at(end) == '-') ++end;
    const bool is = end - begin >= 2 && is_word(at(end));
    return is ? end : begin;
  }
  bool hyphen(std::size_t i) const {
    if (at(i) != '-' || i < 2 || !letter(i - 1)) return false;
    const bool before = letter(i - 2) || (i >= 3 && text_[i - 2] == '-' && letter(i - 3));
    return before && letter(i + 1) && (letter(i + 2) || (at(i + 2) == '-' && letter(i + 3)));
  }

  std::size_t end_of_chunk(std::size_t begin) const {
    std::size_t end = begin;
    if (is_gap(at(begin))) {
      while (end < text_.size() && is_gap(text_[end])) ++end;
      return end;
    }
    if (at_hyphens_ && dash(begin) != begin) return dash(begin);
    for (++end; !is_gap(at(end)); ++end) {
      if (!at_hyphens_) continue;
      if (hyphen(end)) return end + 1;
      if (dash(end) != end) return end;
    }
    return end;
  }

  Text32 text_;
  bool at_hyphens_;
};

struct Wrap {
  std::size_t width;
  bool break_words, at_hyphens;
};

bool blank(Text32 text) {
  return std::all_of(text.begin(), text.end(), is_space);
}

// The part of a word longer than a line that still goes on this one, where `left` characters are free.
std::size_t part_of_word(Text32 word, std::size_t left, bool at_hyphens) {
  if (at_hyphens && word.size() > left && left > 0) {
    const std::size_t hyphen = word.rfind(U'-', left - 1);
    if (hyphen != Text32::npos && word.substr(0, hyphen).find_first_not_of(U'-') != Text32::npos) return hyphen + 1;
  }
  return std::min(left, word.size());
}

std::vector<std::u32string> wrapped(Runtime& runtime, Text32 line, const Wrap& wrap) {
  std::vector<std::u32string> lines;
  std::deque<Text32> chunks = Chunks(line, wrap.at_hyphens).cut();
  while (!chunks.empty()) {
    if (!lines.empty() && blank(chunks.front())) chunks.pop_front();
    std::vector<Text32> parts;
    std::size_t length = 0;
    const auto take = [&](std::size_t count) {
      runtime.step();
      parts.push_back(chunks.front().substr(0, count));
      length += count;
      chunks.front().remove_prefix(count);
    };
    while (!chunks.empty() && length + chunks.front().size() <= wrap.width) {
      take(chunks.front().size());
      chunks.pop_front();
    }
    if (!chunks.empty() && chunks.front().size() > wrap.width) {
      if (wrap.break_words) {
        take(part_of_word(chunks.front(), wrap.width - length, wrap.at_hyphens));
      } else if (parts.empty()) {
        take(chunks.front().size());
        chunks.pop_front();
      }
    }
    if (!parts.empty() && blank(parts.back())) parts.pop_back();
    if (parts.empty()) continue;
    lines.emplace_back();
    for (const Text32 part : parts) lines.back().append(part);
  }
  return lines;
}

std::u32string points(std::string_view text) {
  std::u32string out;
  for (std::size_t at = 0; at < text.size();) out.push_back(decode(text, at));
  return out;
}

Value word_wrap(Runtime& runtime, const Value& value, const Arguments& given) {
  const Bound bound(runtime, "wordwrap", given, {"width", "break_long_words", "wrapstring", "break_on_hyphens"});
  if (value.is_undefined()) runtime.fail(value.text());
  if (!value.is_text()) runtime.fail(fmt::format("'{}' object has no attribute 'splitlines'", type_name(value)));
  const Int width = bound.integer(0, 79);
  const auto yes = [&](std::size_t i) { return !bound.get(i) || bound.flag(i); };
  const std::string between = bound[2].is_none() ? "\n" : bound.text(2);
  const auto widest = static_cast<Int>(std::numeric_limits<std::int32_t>::max());
  const Wrap wrap{static_cast<std::size_t>(std::clamp<Int>(width, 0, widest)), yes(1), yes(3)};
  std::string out;
  bool first = true;
  for (const Value& line : split_lines(runtime, value.text(), false, false)) {
    if (width <= 0) runtime.fail(fmt::format("invalid width {} (must be > 0)", width));
    runtime.step(line.text().size() / 16);
    if (!std::exchange(first, false)) runtime.append(out, between);
    bool begins = true;
    for (const std::u32string& part : wrapped(runtime, points(line.text()), wrap)) {
      if (!std::exchange(begins, false)) runtime.append(out, between);
      for (const char32_t c : part) append(out, c);
    }
  }
  return runtime.text(std::move(out));
}

constexpr Filter table[] = {
    {"wordwrap", word_wrap},
};

}  // namespace

std::span<const Filter> prose_filters() {
  return table;
}

}  // namespace hearth::text::jinja
