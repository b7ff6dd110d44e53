#include "sample/json_text.h"

#include "sample/decimal.h"
#include "sample/number_grammar.h"

namespace hearth::sample {

using Expression = GrammarBuilder::Expression;
using Json = nlohmann::ordered_json;

namespace {

constexpr std::uint32_t most_indentation = 32;
const CharacterSet must_escape{{0, 0x1f}, {'"', '"'}, {'\\', '\\'}};

std::string dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string escaped(char32_t c) {
  const std::string quoted = dump(std::string(1, char(c)));
  return quoted.substr(1, quoted.size() - 2);
}

}  // namespace

template <class Make>
Expression JsonText::once(std::optional<Expression>& made, Make make) {
  if (!made) made = g_.rule(make());
  return *made;
}

Expression JsonText::space() {
  return once(space_, [&] {
    const Expression line =
        g_.sequence({g_.literal("\n"), g_.repeat(g_.characters({{' ', ' '}, {'\t', '\t'}}), 0, most_indentation)});
    return g_.choice({g_.literal(""), g_.literal(" "), line});
  });
}

Expression JsonText::comma() {
  return once(comma_, [&] { return g_.sequence({g_.literal(","), space()}); });
}

Expression JsonText::string(std::uint32_t minimum, std::uint32_t maximum) {
  const Expression any = once(character_, [&] {
    const Expression hex = g_.characters({{'0', '9'}, {'A', 'F'}, {'a', 'f'}});
    const Expression d = g_.characters({{'D', 'D'}, {'d', 'd'}});
    const Expression not_d = g_.characters({{'0', '9'}, {'A', 'C'}, {'E', 'F'}, {'a', 'c'}, {'e', 'f'}});
    const Expression high = g_.sequence({d, g_.characters({{'8', '9'}, {'A', 'B'}, {'a', 'b'}}), hex, hex});
    const Expression low = g_.sequence({d, g_.characters({{'C', 'F'}, {'c', 'f'}}), hex, hex});
    const Expression alone =
        g_.choice({g_.sequence({not_d, hex, hex, hex}), g_.sequence({d, g_.characters({{'0', '7'}}), hex, hex})});
    const Expression number = g_.choice({alone, g_.sequence({high, g_.literal("\\u"), low})});
    const Expression letter = g_.characters(
        {{'"', '"'}, {'/', '/'}, {'\\', '\\'}, {'b', 'b'}, {'f', 'f'}, {'n', 'n'}, {'r', 'r'}, {'t', 't'}});
    return g_.choice({g_.characters(must_escape.negated()),
                      g_.sequence({g_.literal("\\"), g_.choice({letter, g_.sequence({g_.literal("u"), number})})})});
  });
  const auto quoted = [&] {
    return g_.sequence({g_.literal("\""), g_.repeat(any, minimum, maximum), g_.literal("\"")});
  };
  return minimum == 0 && maximum == unbounded ? once(string_, quoted) : quoted();
}

// One of a set, escaped only if it must be.
Expression JsonText::character(const CharacterSet& set) {
  const auto [found, fresh] = characters_.try_emplace(set.ranges(), 0);
  if (!fresh) return found->second;
  std::vector<Expression> ways;
  if (CharacterSet plain = set.without(must_escape); !plain.empty()) ways.push_back(g_.characters(std::move(plain)));
  const CharacterSet escapes = set.common(must_escape);
  for (const auto& [first, last] : escapes.ranges())
    for (char32_t c = first; c <= last; ++c) ways.push_back(g_.literal(escaped(c)));
  const Expression any = g_.choice(std::move(ways));
  constexpr std::size_t large = 16;  // ranges: written once, and called
  return found->second = set.ranges().size() > large ? g_.rule(any) : any;
}

Expression JsonText::regex(const Regex& regex_) {
  std::vector<Expression> parts;
  for (const Regex& part : regex_.parts) parts.push_back(regex(part));
  switch (regex_.kind) {
    case Regex::Kind::characters:
      return character(regex_.set);
    case Regex::Kind::sequence:
      return g_.sequence(std::move(parts));
    case Regex::Kind::choice:
      return g_.choice(std::move(parts));
    case Regex::Kind::repeat:
      break;
  }
  return g_.repeat(parts[0], regex_.minimum, regex_.maximum);
}

Expression JsonText::string(const Regex& regex_) {
  return g_.sequence({g_.literal("\""), regex(regex_), g_.literal("\"")});
}

Expression JsonText::string(const Language& language) {
  std::vector<GrammarBuilder::Rule> rules;
  for (std::size_t i = 0; i < language.states().size(); ++i) rules.push_back(g_.declare());
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const Language::State& state = language.states()[i];
    std::vector<Expression> ways;
    if (state.accepts) ways.push_back(g_.literal("\""));
    for (const auto& [set, target] : state.edges) ways.push_back(g_.sequence({character(set), g_.call(rules[target])}));
    g_.define(rules[i], g_.choice(std::move(ways)));
  }
  return g_.sequence({g_.literal("\""), g_.call(rules[0])});
}

Expression JsonText::string(std::string_view text) {
  return g_.literal(dump(text));
}

std::string write_constant(const Json& value) {
  if (!value.is_number()) return dump(value);
  const Decimal number = Decimal::parse(dump(value));
  std::string text = number.negative ? "-" : "";
  text += number.whole.empty() ? "0" : number.whole;
  if (!number.fraction.empty()) text += "." + number.fraction;
  return text;
}

Expression JsonText::constant(const Json& value) {
  if (!value.is_structured()) return g_.literal(write_constant(value));
  std::vector<Expression> parts;
  for (auto i = value.begin(); i != value.end(); ++i) {
    if (!parts.empty()) parts.push_back(comma());
    parts.push_back(value.is_object() ? member(string(i.key()), constant(*i)) : constant(*i));
  }
  const Expression inside = g_.sequence(std::move(parts));
  return value.is_object() ? braces(inside) : brackets(inside);
}

Expression JsonText::member(Expression key, Expression value) {
  return g_.sequence({key, g_.literal(":"), g_.optional(g_.literal(" ")), value});
}

Expression JsonText::list(Expression item, std::uint32_t minimum, std::uint32_t maximum, bool after) {
  const Expression next = g_.sequence({comma(), item});
  if (after) return g_.repeat(next, minimum, maximum);
  if (maximum == 0) return g_.literal("");
  const auto one_less = [](std::uint32_t n) { return n == unbounded ? n : n - (n > 0); };
  const Expression all = g_.sequence({item, g_.repeat(next, one_less(minimum), one_less(maximum))});
  return minimum == 0 ? g_.optional(all) : all;
}

Expression JsonText::braces(Expression members) {
  return g_.sequence({g_.literal("{"), space(), members, space(), g_.literal("}")});
}

Expression JsonText::brackets(Expression items) {
  return g_.sequence({g_.literal("["), space(), items, space(), g_.literal("]")});
}

Expression JsonText::any_value() {
  if (value_) return *value_;
  const GrammarBuilder::Rule rule = g_.declare();
  value_ = g_.call(rule);
  g_.define(rule, g_.choice({any_object(), g_.rule(brackets(list(*value_, 0, unbounded, false))), string(0, unbounded),
                             number_grammar(g_, {}), g_.literal("true"), g_.literal("false"), g_.literal("null")}));
  return *value_;
}

Expression JsonText::any_object() {
  return g_.rule(braces(list(member(string(0, unbounded), any_value()), 0, unbounded, false)));
}

}  // namespace hearth::sample
