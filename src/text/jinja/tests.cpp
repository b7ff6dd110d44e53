// Jinja's tests: `x is NAME`.
#include <fmt/format.h>

#include <cmath>

#include "text/jinja/filters.h"
#include "text/jinja/operators.h"
#include "text/jinja/show.h"
#include "text/jinja/unicode.h"

namespace hearth::text::jinja {

namespace {

using Given = const Arguments&;

const Value& other(Runtime& runtime, Given given) {
  if (given.positional.size() == 1 && given.named.empty()) return given.positional[0];
  if (given.positional.empty() && given.named.size() == 1) return given.named[0].second;
  runtime.fail(fmt::format("the test takes one argument, not {}", given.positional.size() + given.named.size()));
}

template <Kind kind>
bool is_kind(Runtime&, const Value& value, Given) {
  return value.is(kind);
}

template <bool truth>
bool is_boolean(Runtime&, const Value& value, Given) {
  return value.is(Kind::boolean) && value.truth() == truth;
}

template <Order order>
bool compares(Runtime& runtime, const Value& value, Given given) {
  return ordered(runtime, order, value, other(runtime, given));
}

template <Int remainder>
bool halves(Runtime& runtime, const Value& value, Given) {
  const Value rest = arithmetic(runtime, Arithmetic::modulo, value, Value::integer(2));
  return equal(runtime, rest, Value::integer(remainder));
}

// str.islower and str.isupper of what the value shows as.
template <bool (*wanted)(char32_t), bool (*unwanted)(char32_t)>
bool cased(Runtime& runtime, const Value& value, Given) {
  const std::string text = str(runtime, value);
  runtime.step(text.size() / 64);
  bool some = false;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = decode(text, at);
    if (unwanted(c) || is_title(c)) return false;
    some |= wanted(c);
  }
  return some;
}

template <auto find>
bool names(Runtime& runtime, const Value& value, Given) {
  hash_of(runtime, value);  // what has no hash is an error
  return value.is_text() && find(value.text()) != nullptr;
}

constexpr Test table[] = {
    {"defined", [](Runtime&, const Value& v, Given) { return !v.is_undefined(); }},
    {"undefined", is_kind<Kind::undefined>},
    {"none", is_kind<Kind::none>},
    {"boolean", is_kind<Kind::boolean>},
    {"true", is_boolean<true>},
    {"false", is_boolean<false>},
    {"integer", is_kind<Kind::integer>},
    {"float", is_kind<Kind::floating>},
    {"number", [](Runtime&, const Value& v, Given) { return v.is_number(); }},
    {"string", is_kind<Kind::text>},
    {"mapping", is_kind<Kind::dict>},
    {"iterable", [](Runtime&, const Value& v, Given) { return iterable(v); }},
    {"sequence", [](Runtime&, const Value& v, Given) { return length_of(v).has_value() && !v.is(Kind::view); }},
    {"callable", [](Runtime&, const Value& v,
                    Given) { return v.is_undefined() || (v.is(Kind::thing) && v.as<Thing>().callable()); }},
    {"sameas", [](Runtime& r, const Value& v, Given g) { return same(v, other(r, g)); }},
    {"escaped", [](Runtime&, const Value& v, Given) { return v.is_text() && v.as<Text>().markup; }},
    {"in", [](Runtime& r, const Value& v, Given g) { return contains(r, other(r, g), v); }},
    {"odd", halves<1>},
    {"even", halves<0>},
    {"divisibleby",
     [](Runtime& r, const Value& v, Given g) {
       return equal(r, arithmetic(r, Arithmetic::modulo, v, other(r, g)), Value::integer(0));
     }},
    {"lower", cased<is_lower, is_upper>},
    {"upper", cased<is_upper, is_lower>},
    {"filter", names<find_filter>},
    {"test", names<find_test>},
    {"eq", [](Runtime& r, const Value& v, Given g) { return equal(r, v, other(r, g)); }},
    {"==", [](Runtime& r, const Value& v, Given g) { return equal(r, v, other(r, g)); }},
    {"equalto", [](Runtime& r, const Value& v, Given g) { return equal(r, v, other(r, g)); }},
    {"ne", [](Runtime& r, const Value& v, Given g) { return !equal(r, v, other(r, g)); }},
    {"!=", [](Runtime& r, const Value& v, Given g) { return !equal(r, v, other(r, g)); }},
    {"lt", compares<Order::less>},
    {"<", compares<Order::less>},
    {"lessthan", compares<Order::less>},
    {"le", compares<Order::less_equal>},
    {"<=", compares<Order::less_equal>},
    {"gt", compares<Order::greater>},
    {">", compares<Order::greater>},
    {"greaterthan", compares<Order::greater>},
    {"ge", compares<Order::greater_equal>},
    {">=", compares<Order::greater_equal>},
};

}  // namespace

const Test* find_test(std::string_view name) {
  for (const Test& test : table)
    if (test.name == name) return &test;
  return nullptr;
}

}  // namespace hearth::text::jinja
