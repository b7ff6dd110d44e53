#include "sample/regex.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/utf8.h"
#include "sample/unicode_property.h"

namespace hearth::sample {

namespace {

// As written, anchors being parts like others.
struct Term {
  enum class Kind : std::uint8_t { characters, sequence, choice, repeat, begin, end } kind;
  CharacterSet set = {};
  std::vector<Term> parts = {};
  std::uint32_t minimum = 0, maximum = 0;
};

const CharacterSet digits{{'0', '9'}};
const CharacterSet word{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
const CharacterSet line_ends{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};
const CharacterSet space{{'\t', '\r'},     {' ', ' '},       {0xa0, 0xa0},     {0x1680, 0x1680}, {0x2000, 0x200a},
                         {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000}, {0xfeff, 0xfeff}};

class Parser {
 public:
  explicit Parser(std::string_view pattern) : pattern_(pattern) {
    if (!is_utf8(pattern)) throw Error(Code::bad_input, "a pattern that is not UTF-8");
  }

  Term parse() {
    Term term = parse_choice(0);
    if (at_ < pattern_.size()) fail("an unmatched )");
    return term;
  }

 private:
  [[noreturn]] void fail(std::string_view what, Code code = Code::bad_input) const {
    throw Error(code, what, fmt::format("character {} of the pattern {}", at_ + 1, pattern_));
  }
  [[noreturn]] void refuse(std::string_view what) const {
    fail(fmt::format("{} cannot be kept to", what), Code::unsupported);
  }

  bool more() const { return at_ < pattern_.size(); }
  bool take(std::string_view word_) {
    if (!pattern_.substr(at_).starts_with(word_)) return false;
    at_ += word_.size();
    return true;
  }

  Term parse_choice(int depth) {
    constexpr int deepest = 100;
    if (depth > deepest) fail("groups are nested too deeply");
    Term choice{.kind = Term::Kind::choice};
    do choice.parts.push_back(parse_sequence(depth));
    while (take("|"));
    return choice.parts.size() == 1 ? std::move(choice.parts[0]) : choice;
  }

  Term parse_sequence(int depth) {
    Term sequence{.kind = Term::Kind::sequence};
    while (more() && pattern_[at_] != '|' && pattern_[at_] != ')') sequence.parts.push_back(parse_repeated(depth));
    return sequence;
  }

  Term parse_repeated(int depth) {
    Term term = parse_atom(depth);
    const auto counts = parse_quantifier();
    if (!counts) return term;
    take("?");  // a lazy one finds the same strings
    if (counts->second < counts->first) fail("a repetition from more to fewer");
    if (term.kind == Term::Kind::begin || term.kind == Term::Kind::end) fail("a repeated anchor");
    Term repeat{.kind = Term::Kind::repeat, .minimum = counts->first, .maximum = counts->second};
    repeat.parts.push_back(std::move(term));
    return repeat;
  }

  using Counts = std::optional<std::pair<std::uint32_t, std::uint32_t>>;

  Counts parse_quantifier() {
    if (take("*")) return std::pair(0u, Regex::unbounded);
    if (take("+")) return std::pair(1u, Regex::unbounded);
    if (take("?")) return std::pair(0u, 1u);
    return parse_counts();
  }

  // {2} {2,} {2,5}; anything else that begins with { is literal.
  Counts parse_counts() {
    const std::size_t start = at_;
    if (!take("{")) return {};
    const auto minimum = number();
    auto maximum = minimum;
    if (minimum && take(",")) maximum = number().value_or(Regex::unbounded);
    if (minimum && take("}")) return std::pair(*minimum, *maximum);
    at_ = start;
    return {};
  }

  std::optional<std::uint32_t> number() {
    constexpr std::uint32_t most = 100'000;
    std::optional<std::uint32_t> value;
    for (; more() && pattern_[at_] >= '0' && pattern_[at_] <= '9'; ++at_) {
      value = value.value_or(0) * 10 + std::uint32_t(pattern_[at_] - '0');
      if (*value > most) fail(fmt::format("repetitions are counted up to {}", most));
    }
    return value;
  }

  Term parse_atom(int depth) {
    if (take("(")) return parse_group(depth);
    if (take("^")) return {.kind = Term::Kind::begin};
    if (take("$")) return {.kind = Term::Kind::end};
    if (take("[")) return {.kind = Term::Kind::characters, .set = parse_class()};
    if (take(".")) return {.kind = Term::Kind::characters, .set = line_ends.negated()};
    if (take("\\")) return {.kind = Term::Kind::characters, .set = parse_escape(false)};
    if (parse_quantifier()) fail("there is nothing to repeat");
    const char32_t c = take_character(pattern_, at_);
    return {.kind = Term::Kind::characters, .set = {{c, c}}};
  }

  Term parse_group(int depth) {
    if (take("?=") || take("?!")) refuse("look-ahead");
    if (take("?<=") || take("?<!")) refuse("look-behind");
    if (take("?<")) {
      const std::size_t end = pattern_.find('>', at_);
      if (end == pattern_.npos) fail("a group's name that does not end");
      at_ = end + 1;
    } else if (!take("?:") && more() && pattern_[at_] == '?') {
      refuse("this kind of group");
    }
    Term group = parse_choice(depth + 1);
    if (!take(")")) fail("a ( that is not closed");
    return group;
  }

  CharacterSet parse_class() {
    const bool negated = take("^");
    CharacterSet set;
    while (!take("]")) {
      if (!more()) fail("a [ that is not closed");
      const CharacterSet first = parse_class_atom();
      if (!pattern_.substr(at_).starts_with("-") || pattern_.substr(at_).starts_with("-]")) {
        set.add(first);
        continue;
      }
      ++at_;
      if (!more()) fail("a [ that is not closed");
      const CharacterSet last = parse_class_atom();
      const auto single = [](const CharacterSet& s) {
        return s.ranges().size() == 1 && s.ranges()[0].first == s.ranges()[0].second;
      };
      if (!single(first) || !single(last)) fail("a range between what are not characters");
      if (last.ranges()[0].first < first.ranges()[0].first) fail("a range from the later to the earlier character");
      set.add(first.ranges()[0].first, last.ranges()[0].first);
    }
    return negated ? set.negated() : set;
  }

  CharacterSet parse_class_atom() {
    if (take("\\")) return parse_escape(true);
    const char32_t c = take_character(pattern_, at_);
    return {{c, c}};
  }

  CharacterSet parse_escape(bool in_class) {
    if (!more()) fail("a \\ at the end");
    const char32_t c = take_character(pattern_, at_);
    const auto only = [](char32_t character) { return CharacterSet{{character, character}}; };
    switch (c) {
      case 'd':
        return digits;
      case 'D':
        return digits.negated();
      case 'w':
        return word;
      case 'W':
        return word.negated();
      case 's':
        return space;
      case 'S':
        return space.negated();
      case 't':
        return only('\t');
      case 'n':
        return only('\n');
      case 'v':
        return only('\v');
      case 'f':
        return only('\f');
      case 'r':
        return only('\r');
      case '0':
        return only(0);
      case 'x':
        return only(hexadecimal(2));
      case 'u':
        return only(parse_unicode());
      case 'c':
        return only(parse_control());
      case 'b':
        if (in_class) return only('\b');
        refuse("a word boundary (\\b)");
      case 'B':
        refuse("a word boundary (\\B)");
      case 'p':
        return parse_property();
      case 'P':
        return parse_property().negated();
      case 'k':
        refuse("a back reference");
      default:
        if (c >= '1' && c <= '9') refuse("a back reference");
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) fail("an unknown escape");
        return only(c);
    }
  }

  CharacterSet parse_property() {
    const std::size_t end = pattern_.find('}', at_);
    if (!take("{") || end == pattern_.npos || end == at_) fail("a Unicode property without its name in braces");
    const std::string_view name = pattern_.substr(at_, end - at_);
    auto set = unicode_property(name);
    if (!set) refuse(fmt::format("the Unicode property {}", name));
    at_ = end + 1;
    return std::move(*set);
  }

  char32_t parse_unicode() {
    char32_t value = 0;
    if (take("{")) {
      const std::size_t end = pattern_.find('}', at_);
      if (end == pattern_.npos || end == at_ || end - at_ > 6) fail("an unknown escape");
      value = hexadecimal(end - at_);
      ++at_;
    } else {
      value = hexadecimal(4);
      if (value >= 0xd800 && value < 0xdc00 && take("\\u")) {
        const char32_t low = hexadecimal(4);
        if (low < 0xdc00 || low > 0xdfff) fail("half of a surrogate pair");
        value = 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
      }
    }
    if (!is_character(value)) fail("an escape that is no Unicode character");
    return value;
  }

  char32_t parse_control() {
    const char c = more() ? pattern_[at_++] : '\0';
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))) fail("an unknown escape");
    return char32_t(c) % 32;
  }

  char32_t hexadecimal(std::size_t count) {
    char32_t value = 0;
    for (std::size_t i = 0; i < count; ++i, ++at_) {
      const char c = more() ? pattern_[at_] : '\0';
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) fail("an escape with too few hexadecimal digits");
      value = value * 16 + char32_t(digit);
    }
    return value;
  }

  std::string_view pattern_;
  std::size_t at_ = 0;
};

Regex anything() {
  Regex all{.kind = Regex::Kind::repeat, .maximum = Regex::unbounded};
  all.parts.push_back({.kind = Regex::Kind::characters, .set = CharacterSet::all()});
  return all;
}

// Anchors become the absence of what may otherwise stand before and after.
Regex anchored(const Term& term, bool open_before, bool open_after) {
  const auto with_surroundings = [&](Regex inner) {
    if (!open_before && !open_after) return inner;
    Regex whole{.kind = Regex::Kind::sequence};
    if (open_before) whole.parts.push_back(anything());
    whole.parts.push_back(std::move(inner));
    if (open_after) whole.parts.push_back(anything());
    return whole;
  };
  switch (term.kind) {
    case Term::Kind::characters:
      return with_surroundings({.kind = Regex::Kind::characters, .set = term.set});
    case Term::Kind::repeat: {
      Regex repeat{.kind = Regex::Kind::repeat, .minimum = term.minimum, .maximum = term.maximum};
      repeat.parts.push_back(anchored(term.parts[0], false, false));
      return with_surroundings(std::move(repeat));
    }
    case Term::Kind::choice: {
      Regex choice{.kind = Regex::Kind::choice};
      for (const Term& part : term.parts) choice.parts.push_back(anchored(part, open_before, open_after));
      return choice;
    }
    case Term::Kind::sequence: {
      std::size_t first = 0, last = term.parts.size();
      while (first < last && open_before && term.parts[first].kind == Term::Kind::begin) ++first;
      while (last > first && open_after && term.parts[last - 1].kind == Term::Kind::end) --last;
      const bool before = open_before && first == 0, after = open_after && last == term.parts.size();
      if (first == last) return before || after ? anything() : Regex{};
      Regex sequence{.kind = Regex::Kind::sequence};
      for (std::size_t i = first; i < last; ++i)
        sequence.parts.push_back(anchored(term.parts[i], before && i == first, after && i + 1 == last));
      return sequence;
    }
    case Term::Kind::begin:
    case Term::Kind::end:
      break;
  }
  throw Error(Code::unsupported, "an anchor inside a pattern cannot be kept to", {},
              "^ may begin and $ may end an alternative");
}

}  // namespace

Regex parse_regex(std::string_view pattern) {
  return anchored(Parser(pattern).parse(), true, true);
}

}  // namespace hearth::sample
