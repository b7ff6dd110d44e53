#include "sample/gbnf.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/utf8.h"

namespace hearth::sample {

namespace {

using Expression = GrammarBuilder::Expression;

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {
    if (const std::size_t valid = utf8_valid_prefix(text); valid != text.size()) fail("not UTF-8", valid);
  }

  Grammar parse() {
    take("\xef\xbb\xbf");  // as some editors begin a file
    skip(true);
    while (at_ < text_.size()) parse_rule();
    const auto root = rules_.find("root");
    if (root == rules_.end() || !root->second.defined)
      throw Error(Code::bad_input, "the grammar has no rule named root");
    for (const auto& [name, rule] : rules_)
      if (!rule.defined) fail(fmt::format("rule {} is not defined", name), rule.first_use);
    return builder_.build(root->second.rule);
  }

 private:
  struct Rule {
    GrammarBuilder::Rule rule;
    bool defined = false;
    std::size_t first_use = 0;
  };

  [[noreturn]] void fail(std::string_view what, std::size_t at, Code code = Code::bad_input) const {
    const std::string_view before = text_.substr(0, at);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const std::size_t column = at - (before.rfind('\n') + 1) + 1;  // npos + 1 is 0
    throw Error(code, what, fmt::format("line {}, column {} of the grammar", line, column));
  }
  [[noreturn]] void fail(std::string_view what) const { fail(what, at_); }

  bool sees(std::string_view word) const { return text_.substr(at_).starts_with(word); }
  bool take(std::string_view word) {
    if (!sees(word)) return false;
    at_ += word.size();
    return true;
  }

  // Blanks and comments; the ends of lines too where `lines`.
  void skip(bool lines) {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#')
        at_ = std::min(text_.find('\n', at_), text_.size());
      else if (c == ' ' || c == '\t' || (lines && (c == '\n' || c == '\r')))
        ++at_;
      else
        break;
    }
  }

  std::string name() {
    const std::size_t start = at_;
    while (at_ < text_.size() && is_name(text_[at_])) ++at_;
    if (at_ == start) fail("expected the name of a rule");
    return std::string(text_.substr(start, at_ - start));
  }

  Rule& rule(const std::string& name, std::size_t at) {
    const auto [found, fresh] = rules_.try_emplace(name);
    if (fresh) found->second = {.rule = builder_.declare(), .first_use = at};
    return found->second;
  }

  void parse_rule() {
    const std::size_t start = at_;
    Rule& found = rule(name(), start);
    if (found.defined) fail("this rule is defined twice", start);
    found.defined = true;
    const GrammarBuilder::Rule number = found.rule;
    skip(false);
    if (!take("::=")) fail("expected ::=");
    skip(true);
    builder_.define(number, parse_choice(0));
    if (at_ < text_.size() && text_[at_] != '\n' && text_[at_] != '\r') fail("expected the end of the rule");
    skip(true);
  }

  Expression parse_choice(int depth) {
    constexpr int deepest = 256;
    if (depth > deepest) fail("groups are nested too deeply");
    std::vector<Expression> alternatives{parse_sequence(depth)};
    while (true) {
      const std::size_t before = at_;  // a line may begin with |
      skip(true);
      if (!take("|")) {
        at_ = before;
        return builder_.choice(std::move(alternatives));
      }
      skip(true);
      alternatives.push_back(parse_sequence(depth));
    }
  }

  Expression parse_sequence(int depth) {
    std::vector<Expression> parts;
    for (; at_ < text_.size(); skip(depth > 0)) {
      const char c = text_[at_];
      if (c == '"')
        parts.push_back(parse_literal());
      else if (c == '[')
        parts.push_back(parse_class());
      else if (c == '(')
        parts.push_back(parse_group(depth));
      else if (c == '<' || c == '!')
        fail("tokens cannot be named, only their text", at_, Code::unsupported);
      else if (c == '.')
        ++at_, parts.push_back(builder_.characters(CharacterSet::all()));
      else if (c == '*' || c == '+' || c == '?' || c == '{')
        parse_repetition(parts);
      else if (is_name(c))
        parts.push_back(parse_call());
      else
        break;
    }
    return builder_.sequence(std::move(parts));
  }

  Expression parse_call() {
    const std::size_t start = at_;
    const std::string called = name();
    return builder_.call(rule(called, start).rule);
  }

  Expression parse_group(int depth) {
    const std::size_t open = at_++;
    skip(true);
    const Expression inside = parse_choice(depth + 1);
    skip(true);
    if (!take(")")) fail(at_ < text_.size() ? "expected )" : "this ( is not closed", at_ < text_.size() ? at_ : open);
    return inside;
  }

  void parse_repetition(std::vector<Expression>& parts) {
    const std::size_t start = at_;
    if (parts.empty()) fail("there is nothing to repeat");
    std::uint32_t minimum = 0, maximum = GrammarBuilder::unbounded;
    if (take("?")) {
      maximum = 1;
    } else if (take("+")) {
      minimum = 1;
    } else if (!take("*")) {
      ++at_;
      skip(false);
      const auto first = number();
      if (!first) fail("expected a number");
      minimum = maximum = *first;
      skip(false);
      if (take(",")) {
        skip(false);
        maximum = number().value_or(GrammarBuilder::unbounded);
        skip(false);
      }
      if (!take("}")) fail("expected }");
      if (maximum < minimum) fail("a repetition from more to fewer", start);
    }
    parts.back() = builder_.repeat(parts.back(), minimum, maximum);
  }

  std::optional<std::uint32_t> number() {
    constexpr std::uint32_t most = 1'000'000;
    const std::size_t start = at_;
    std::uint32_t value = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      value = value * 10 + std::uint32_t(text_[at_] - '0');
      if (value > most) fail(fmt::format("repetitions are counted up to {}", most), start);
    }
    return at_ == start ? std::nullopt : std::optional(value);
  }

  Expression parse_literal() {
    const std::size_t open = at_++;
    std::string bytes;
    while (!take("\"")) {
      if (at_ == text_.size() || text_[at_] == '\n') fail("this literal is not closed", open);
      append_utf8(bytes, character());
    }
    return builder_.literal(bytes);
  }

  Expression parse_class() {
    const std::size_t open = at_++;
    const bool negated = take("^");
    CharacterSet set;
    while (!take("]")) {
      const auto ends = [&] { return at_ == text_.size() || text_[at_] == '\n'; };
      if (ends()) fail("this class is not closed", open);
      const std::size_t start = at_;
      const char32_t first = character();
      char32_t last = first;
      if (sees("-") && !sees("-]")) {
        ++at_;
        if (ends()) fail("this class is not closed", open);
        last = character();
        if (last < first) fail("a range from the later to the earlier character", start);
      }
      set.add(first, last);
    }
    if (set.empty()) fail("an empty class of characters", open);
    return builder_.characters(negated ? set.negated() : std::move(set));
  }

  // One character, or an escape that stands for one.
  char32_t character() {
    if (text_[at_] != '\\') return take_character(text_, at_);
    const std::size_t start = at_++;
    const char escape = at_ < text_.size() ? text_[at_++] : '\0';
    switch (escape) {
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case 'x':
        return hexadecimal(2, start);
      case 'u':
        return hexadecimal(4, start);
      case 'U':
        return hexadecimal(8, start);
      case '\\':
      case '"':
      case '[':
      case ']':
      case '-':
      case '^':
        return char32_t(escape);
      default:
        fail("an unknown escape", start);
    }
  }

  char32_t hexadecimal(std::size_t digits, std::size_t start) {
    char32_t value = 0;
    for (std::size_t i = 0; i < digits; ++i, ++at_) {
      const char c = at_ < text_.size() ? text_[at_] : '\0';
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) fail(fmt::format("an escape with fewer than {} hexadecimal digits", digits), start);
      value = value * 16 + char32_t(digit);
    }
    if (!is_character(value)) fail("an escape that is no Unicode character", start);
    return value;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  GrammarBuilder builder_;
  std::map<std::string, Rule> rules_;
};

}  // namespace

Grammar parse_gbnf(std::string_view text) {
  return Parser(text).parse();
}

}  // namespace hearth::sample
