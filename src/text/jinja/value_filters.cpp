// Filters on single values: defaults, numbers, attributes.
#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "text/jinja/filters.h"
#include "text/jinja/pretty.h"
#include "text/jinja/show.h"
#include "text/jinja/unicode.h"

namespace hearth::text::jinja {

namespace {

using Given = const Arguments&;

Value or_default(Runtime& runtime, const Value& value, Given given) {
  const Bound bound(runtime, "default", given, {"default_value", "boolean"});
  if (!value.is_undefined() && (!bound.flag(1) || truthy(value))) return value;
  return bound.get(0) ? bound[0] : runtime.text("");
}

Value absolute(Runtime& runtime, const Value& value, Given) {
  if (value.is(Kind::floating)) return Value::floating(std::fabs(value.floating()));
  if (!value.is_integral()) {
    if (value.is_undefined()) runtime.fail(value.text());
    runtime.fail(fmt::format("bad operand type for abs(): '{}'", type_name(value)));
  }
  return value.integer() < 0 ? negative(runtime, value) : Value::integer(value.integer());
}

// Underscores may stand between digits.
bool without_underscores(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out.push_back(text[i]);
      continue;
    }
    const auto alnum = [&](std::size_t at) {
      return at < text.size() && std::isalnum(static_cast<unsigned char>(text[at]));
    };
    if (i == 0 || !alnum(i - 1) || !alnum(i + 1)) return false;
  }
  return true;
}

std::optional<double> read_float(std::string_view text) {
  std::string clean;
  if (!without_underscores(strip(text, true, true), clean) || clean.empty()) return std::nullopt;
  const std::size_t sign = clean[0] == '+' || clean[0] == '-';
  const std::string rest = lower(std::string_view(clean).substr(sign));
  if (rest.empty() || rest.find('(') != std::string::npos || rest[0] == '-' || rest[0] == '+') return std::nullopt;
  double number = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  if (end != rest.data() + rest.size() || error == std::errc::invalid_argument) return std::nullopt;
  if (error == std::errc::result_out_of_range) {  // too small or too large: strtod tells which
    number = std::strtod(rest.c_str(), nullptr);
  }
  return clean[0] == '-' ? -number : number;
}

// int(text, base); a number too large for us is an error of its own.
std::optional<Int> read_integer(Runtime& runtime, std::string_view text, Int base) {
  if (base != 0 && (base < 2 || base > 36)) return std::nullopt;
  std::string clean(strip(text, true, true));
  const bool minus = !clean.empty() && clean[0] == '-';
  if (minus || (!clean.empty() && clean[0] == '+')) clean.erase(0, 1);
  const auto prefix = [&](char letter) { return clean.size() > 2 && clean[0] == '0' && (clean[1] | 0x20) == letter; };
  bool prefixed = false;
  for (const auto& [letter, its] : {std::pair('x', 16), std::pair('o', 8), std::pair('b', 2)})
    if ((base == 0 || base == its) && prefix(letter)) {
      base = its;
      clean.erase(0, 2);
      if (clean.size() > 1 && clean[0] == '_') clean.erase(0, 1);
      prefixed = true;
      break;
    }
  std::string digits;
  if (!without_underscores(clean, digits) || digits.empty()) return std::nullopt;
  if (base == 0) {
    if (!prefixed && digits[0] == '0' && digits.find_first_not_of('0') != std::string::npos) return std::nullopt;
    base = 10;
  }
  Int number = 0;
  for (const char c : digits) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'z' ? c - 'a' + 10
                      : c >= 'A' && c <= 'Z' ? c - 'A' + 10
                                             : 99;
    if (digit >= base) return std::nullopt;
    if (__builtin_mul_overflow(number, base, &number) || __builtin_add_overflow(number, Int{digit}, &number))
      runtime.fail("an integer is too large");
  }
  return minus ? -number : number;
}

std::optional<Int> whole(Runtime& runtime, double number) {
  if (!std::isfinite(number)) return std::nullopt;
  if (std::fabs(number) > 1e38) runtime.fail("an integer is too large");
  return static_cast<Int>(number);
}

Value to_int(Runtime& runtime, const Value& value, Given given) {
  const Bound bound(runtime, "int", given, {"default", "base"});
  const Value fallback = bound.get(0) ? bound[0] : Value::integer(0);
  if (value.is_integral()) return Value::integer(value.integer());
  std::optional<Int> number;
  if (value.is(Kind::floating)) {
    if (std::isinf(value.floating())) runtime.fail("cannot convert float infinity to integer");
    number = whole(runtime, value.floating());
  } else if (value.is_text()) {
    runtime.work(value.text().size());
    number = read_integer(runtime, value.text(), bound.integer(1, 10));
    if (!number)
      if (const auto real = read_float(value.text())) number = whole(runtime, *real);
  } else if (value.is_undefined()) {
    runtime.fail(value.text());
  }
  return number ? Value::integer(*number) : fallback;
}

Value to_float(Runtime& runtime, const Value& value, Given given) {
  const Bound bound(runtime, "float", given, {"default"});
  if (value.is_number()) return Value::floating(value.floating());
  if (value.is_undefined()) runtime.fail(value.text());
  if (value.is_text())
    if (const auto number = read_float(value.text())) return Value::floating(*number);
  return bound.get(0) ? bound[0] : Value::floating(0);
}

// To even where two are as near; through the decimal digits, as Python does it.
double rounded(double number, int places) {
  if (!std::isfinite(number) || places > 300) return number;
  if (places >= 0) return std::strtod(fmt::format("{:.{}f}", number, places).c_str(), nullptr);
  const double unit = std::pow(10.0, -places);
  return std::nearbyint(number / unit) * unit;
}

Value round(Runtime& runtime, const Value& value, Given given) {
  const Bound bound(runtime, "round", given, {"precision", "method"});
  const std::string method = bound.get(1) ? str(runtime, bound[1]) : "common";
  if (method != "common" && method != "ceil" && method != "floor")
    runtime.fail("round: method must be common, ceil or floor");
  if (value.is_undefined()) runtime.fail(value.text());
  if (!value.is_number()) runtime.fail(fmt::format("type {} doesn't define __round__ method", type_name(value)));
  const Int precision = bound.integer(0, 0);
  if (precision < -400 || precision > 400) runtime.fail("round: the precision is too large");
  const int places = static_cast<int>(precision);
  if (method == "common") {
    if (value.is(Kind::floating)) return Value::floating(rounded(value.floating(), places));
    if (places >= 0) return Value::integer(value.integer());
    if (places < -38) return Value::integer(0);
    Int unit = 1;
    for (int i = 0; i < -places; ++i) unit *= 10;
    const Int rest = arithmetic(runtime, Arithmetic::modulo, value, Value::integer(unit)).integer();
    const bool odd = (value.integer() / unit + (value.integer() < 0 && rest != 0)) % 2 != 0;
    const Int move = rest > unit - rest || (rest == unit - rest && odd) ? unit - rest : -rest;
    return arithmetic(runtime, Arithmetic::add, value, Value::integer(move));
  }
  const double scale = std::pow(10.0, places);
  const double scaled = value.floating() * scale;
  // A sum with 0, as ceil and floor are integers in Python, which have no -0.
  return Value::floating(((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) + 0.0) / scale);
}

Value attribute(Runtime& runtime, const Value& value, Given given) {
  const Bound bound(runtime, "attr", given, {"name"}, 1);
  const std::string& name = bound.text(0);
  if (value.is_undefined()) runtime.fail(value.text());
  if (auto found = builtin_attribute(runtime, value, name)) return std::move(*found);
  return Value::undefined(fmt::format("'{}' object has no such attribute", type_name(value)));
}

Value length(Runtime& runtime, const Value& value, Given) {
  if (const auto size = length_of(value)) return Value::integer(static_cast<Int>(*size));
  if (value.is(Kind::thing) && value.as<Thing>().type() == "LoopContext") return attribute_of(runtime, value, "length");
  runtime.fail(fmt::format("object of type '{}' has no len()", type_name(value)));
}

Value print_pretty(Runtime& runtime, const Value& value, Given given) {
  const Bound none(runtime, "pprint", given, {});
  return runtime.text(pretty(runtime, value));
}

constexpr Filter table[] = {
    {"default", or_default}, {"d", or_default},   {"abs", absolute},  {"int", to_int},   {"float", to_float},
    {"round", round},        {"attr", attribute}, {"length", length}, {"count", length}, {"pprint", print_pretty},
};

}  // namespace

std::span<const Filter> value_filters() {
  return table;
}

}  // namespace hearth::text::jinja
