#include "text/jinja/operators.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "text/jinja/format.h"
#include "text/jinja/show.h"
#include "text/jinja/unicode.h"

namespace hearth::text::jinja {

namespace {

constexpr const char* signs[] = {"+", "-", "*", "/", "//", "%", "**"};

[[noreturn]] void mismatch(Runtime& runtime, std::string_view sign, const Value& left, const Value& right) {
  for (const Value* value : {&left, &right})
    if (value->is_undefined()) runtime.fail(value->text());
  runtime.fail(fmt::format("unsupported operand types for {}: '{}' and '{}'", sign, type_name(left), type_name(right)));
}

[[noreturn]] void too_large(Runtime& runtime) {
  runtime.fail("an integer is too large");
}

Int floor_divide(Int a, Int b) {
  const Int quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

Int floor_modulo(Int a, Int b) {
  const Int rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

Value integers(Runtime& runtime, Arithmetic operation, Int a, Int b) {
  Int result = 0;
  switch (operation) {
    case Arithmetic::add:
      if (__builtin_add_overflow(a, b, &result)) too_large(runtime);
      return Value::integer(result);
    case Arithmetic::subtract:
      if (__builtin_sub_overflow(a, b, &result)) too_large(runtime);
      return Value::integer(result);
    case Arithmetic::multiply:
      if (__builtin_mul_overflow(a, b, &result)) too_large(runtime);
      return Value::integer(result);
    case Arithmetic::divide:
      if (b == 0) runtime.fail("division by zero");
      return Value::floating(static_cast<double>(static_cast<long double>(a) / static_cast<long double>(b)));
    case Arithmetic::floor_divide:
    case Arithmetic::modulo:
      if (b == 0) runtime.fail("integer division or modulo by zero");
      if (b == -1) {  // the one quotient that may not fit
        if (operation == Arithmetic::modulo) return Value::integer(0);
        if (__builtin_sub_overflow(Int{0}, a, &result)) too_large(runtime);
        return Value::integer(result);
      }
      return Value::integer(operation == Arithmetic::floor_divide ? floor_divide(a, b) : floor_modulo(a, b));
    case Arithmetic::power:
      break;
  }
  if (b < 0) {
    if (a == 0) runtime.fail("0.0 cannot be raised to a negative power");
    return Value::floating(std::pow(static_cast<double>(a), static_cast<double>(b)));
  }
  if (a == 0 || a == 1 || b == 0) return Value::integer(b == 0 ? 1 : a);
  if (a == -1) return Value::integer(b % 2 == 0 ? 1 : -1);
  if (b > 127) too_large(runtime);
  result = 1;
  for (Int i = 0; i < b; ++i)
    if (__builtin_mul_overflow(result, a, &result)) too_large(runtime);
  return Value::integer(result);
}

Value floats(Runtime& runtime, Arithmetic operation, double a, double b) {
  const auto remainder = [&] {
    const double r = std::fmod(a, b);
    if (r == 0) return std::copysign(0.0, b);
    return (r < 0) != (b < 0) ? r + b : r;
  };
  switch (operation) {
    case Arithmetic::add:
      return Value::floating(a + b);
    case Arithmetic::subtract:
      return Value::floating(a - b);
    case Arithmetic::multiply:
      return Value::floating(a * b);
    case Arithmetic::divide:
      if (b == 0) runtime.fail("float division by zero");
      return Value::floating(a / b);
    case Arithmetic::floor_divide: {
      if (b == 0) runtime.fail("float floor division by zero");
      const double whole = (a - remainder()) / b;
      if (whole == 0) return Value::floating(std::copysign(0.0, a / b));
      const double down = std::floor(whole);
      return Value::floating(whole - down > 0.5 ? down + 1 : down);
    }
    case Arithmetic::modulo:
      if (b == 0) runtime.fail("float modulo");
      return Value::floating(remainder());
    case Arithmetic::power:
      break;
  }
  if (a == 0 && b < 0) runtime.fail("0.0 cannot be raised to a negative power");
  if (a < 0 && std::isfinite(a) && b != std::floor(b)) runtime.fail("complex numbers are not supported");
  const double result = std::pow(a, b);
  if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) runtime.fail("a number is too large");
  return Value::floating(result);
}

// x * n for texts and lists.
Value repeated(Runtime& runtime, const Value& value, Int times) {
  times = std::max<Int>(times, 0);
  if (value.is_text()) {
    const std::string& text = value.text();
    if (times > 0 && !text.empty()) {
      runtime.may_make(times);
      runtime.may_make(times * static_cast<Int>(text.size()));
    }
    std::string out;
    if (!text.empty())
      for (Int i = 0; i < times; ++i) out.append(text);
    return runtime.text(std::move(out), value.as<Text>().markup);
  }
  const Values& items = value.as<Sequence>().items;
  Values out;
  if (!items.empty())
    for (Int i = 0; i < times; ++i) {
      runtime.step(items.size());
      out.insert(out.end(), items.begin(), items.end());
    }
  return value.is(Kind::list) ? runtime.list(std::move(out)) : runtime.tuple(std::move(out));
}

bool repeats(const Value& value) {
  return value.is_text() || value.is(Kind::list) || value.is(Kind::tuple);
}

Value joined(Runtime& runtime, const Value& left, const Value& right) {
  if (left.is_text()) {
    const bool markup = left.as<Text>().markup || right.as<Text>().markup;
    const auto part = [&](const Value& value) {
      return markup && !value.as<Text>().markup ? escaped(runtime, value.text()) : value.text();
    };
    std::string out = part(left);
    runtime.append(out, part(right));
    return runtime.text(std::move(out), markup);
  }
  Values out = left.as<Sequence>().items;
  const Values& more = right.as<Sequence>().items;
  runtime.step(out.size() + more.size());
  out.insert(out.end(), more.begin(), more.end());
  return left.is(Kind::list) ? runtime.list(std::move(out)) : runtime.tuple(std::move(out));
}

}  // namespace

Value arithmetic(Runtime& runtime, Arithmetic operation, const Value& left, const Value& right) {
  if (left.is_integral() && right.is_integral()) return integers(runtime, operation, left.integer(), right.integer());
  if (left.is_number() && right.is_number()) return floats(runtime, operation, left.floating(), right.floating());
  if (operation == Arithmetic::add && left.kind() == right.kind() && repeats(left)) return joined(runtime, left, right);
  if (operation == Arithmetic::multiply) {
    if (repeats(left) && right.is_integral()) return repeated(runtime, left, right.integer());
    if (repeats(right) && left.is_integral()) return repeated(runtime, right, left.integer());
  }
  if (operation == Arithmetic::modulo && left.is_text()) return percent_format(runtime, left, right);
  mismatch(runtime, signs[static_cast<int>(operation)], left, right);
}

Value negative(Runtime& runtime, const Value& value) {
  if (value.is_integral()) return integers(runtime, Arithmetic::subtract, 0, value.integer());
  if (value.is(Kind::floating)) return Value::floating(-value.floating());
  if (value.is_undefined()) runtime.fail(value.text());
  runtime.fail(fmt::format("bad operand type for unary -: '{}'", type_name(value)));
}

Value positive(Runtime& runtime, const Value& value) {
  if (value.is_integral()) return Value::integer(value.integer());
  if (value.is(Kind::floating)) return value;
  if (value.is_undefined()) runtime.fail(value.text());
  runtime.fail(fmt::format("bad operand type for unary +: '{}'", type_name(value)));
}

bool same(const Value& left, const Value& right) {
  if (left.kind() != right.kind()) return false;
  if (left.object() || right.object()) return left.object() == right.object();
  return left.integer() == right.integer() && (!left.is(Kind::floating) || left.floating() == right.floating());
}

bool equal(Runtime& runtime, const Value& left, const Value& right) {
  runtime.step();
  if (left.is_number() && right.is_number()) {
    if (left.is_integral() && right.is_integral()) return left.integer() == right.integer();
    return left.floating() == right.floating();
  }
  if (left.kind() != right.kind()) return false;
  if (left.object() == right.object()) return true;
  switch (left.kind()) {
    case Kind::undefined:
      return true;
    case Kind::text:
      runtime.work(std::min(left.text().size(), right.text().size()));
      return left.text() == right.text();
    case Kind::list:
    case Kind::tuple: {
      const Runtime::Level level(runtime);
      const Values &a = left.as<Sequence>().items, &b = right.as<Sequence>().items;
      if (a.size() != b.size()) return false;
      for (std::size_t i = 0; i < a.size(); ++i)
        if (!equal(runtime, a[i], b[i])) return false;
      return true;
    }
    case Kind::dict: {
      const Runtime::Level level(runtime);
      const auto &a = left.as<Dict>(), &b = right.as<Dict>();
      if (a.entries.size() != b.entries.size()) return false;
      for (const auto& [key, value] : a.entries) {
        const Value* other = b.find(runtime, key);
        if (!other || !equal(runtime, value, *other)) return false;
      }
      return true;
    }
    case Kind::range: {
      const auto &a = left.as<Range>(), &b = right.as<Range>();
      const Int size = a.size();
      return size == b.size() && (size == 0 || (a.start == b.start && (size == 1 || a.step == b.step)));
    }
    default:
      return false;
  }
}

bool ordered(Runtime& runtime, Order order, const Value& left, const Value& right) {
  runtime.step();
  const auto decide = [order](const auto& a, const auto& b) {
    switch (order) {
      case Order::less:
        return a < b;
      case Order::less_equal:
        return a <= b;
      case Order::greater:
        return a > b;
      default:
        return a >= b;
    }
  };
  if (left.is_integral() && right.is_integral()) return decide(left.integer(), right.integer());
  if (left.is_number() && right.is_number()) return decide(left.floating(), right.floating());
  if (left.is_text() && right.is_text()) {  // UTF-8 sorts as code points do
    runtime.work(std::min(left.text().size(), right.text().size()));
    return decide(left.text().compare(right.text()), 0);
  }
  if (left.kind() == right.kind() && (left.is(Kind::list) || left.is(Kind::tuple))) {
    const Runtime::Level level(runtime);
    const Values &a = left.as<Sequence>().items, &b = right.as<Sequence>().items;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
      if (!equal(runtime, a[i], b[i])) return ordered(runtime, order, a[i], b[i]);
    return decide(a.size(), b.size());
  }
  constexpr const char* names[] = {"<", "<=", ">", ">="};
  mismatch(runtime, names[static_cast<int>(order)], left, right);
}

bool less(Runtime& runtime, const Value& left, const Value& right) {
  return ordered(runtime, Order::less, left, right);
}

bool contains(Runtime& runtime, const Value& container, const Value& item) {
  if (container.is_text()) {
    if (!item.is_text()) {
      if (item.is_undefined()) runtime.fail(item.text());
      runtime.fail(fmt::format("'in <string>' requires string as left operand, not {}", type_name(item)));
    }
    runtime.work(container.text().size());
    return find(container.text(), item.text()) != std::string::npos;
  }
  if (container.is(Kind::dict)) return container.as<Dict>().find(runtime, item) != nullptr;
  if (!iterable(container)) {
    runtime.fail(fmt::format("argument of type '{}' is not iterable", type_name(container)));
  }
  Iterator iterator(runtime, container);
  while (const auto value = iterator.next(runtime))
    if (equal(runtime, *value, item)) return true;
  return false;
}

std::size_t hash_of(Runtime& runtime, const Value& value) {
  switch (value.kind()) {
    case Kind::text:
      runtime.work(value.text().size());
      return std::hash<std::string_view>()(value.text());
    case Kind::none:
    case Kind::undefined:
      return static_cast<std::size_t>(value.kind());
    case Kind::boolean:
    case Kind::integer:
    case Kind::floating:  // equal numbers of any type
      return std::hash<double>()(value.floating());
    case Kind::tuple: {
      const Runtime::Level level(runtime);
      std::size_t hash = 17;
      for (const Value& item : value.as<Sequence>().items) {
        runtime.step();
        hash = hash * 1000003 ^ hash_of(runtime, item);
      }
      return hash;
    }
    case Kind::list:
    case Kind::dict:
      runtime.fail(fmt::format("unhashable type: '{}'", type_name(value)));
    default:
      return std::hash<const void*>()(value.object().get());
  }
}

Int to_index(Runtime& runtime, const Value& value) {
  if (value.is_integral()) return value.integer();
  if (value.is_undefined()) runtime.fail(value.text());
  runtime.fail(fmt::format("'{}' object cannot be interpreted as an integer", type_name(value)));
}

namespace {

// A name for a message, which must not grow with it.
std::string brief(std::string_view name) {
  return quote(name.substr(0, byte_offset(name.substr(0, 400), 80)));
}

Value absent(const Value& value, const Value& key, Runtime& runtime) {
  if (key.is_text())
    return Value::undefined(fmt::format("'{}' object has no attribute {}", type_name(value), brief(key.text())));
  return Value::undefined(fmt::format("{} object has no element {}", type_name(value),
                                      key.is_number() ? repr(runtime, key) : std::string(type_name(key))));
}

// value[key] of Python; nothing where it raises TypeError or LookupError.
std::optional<Value> subscript(Runtime& runtime, const Value& value, const Value& key) {
  if (value.is(Kind::dict)) {
    if (key.is(Kind::list) || key.is(Kind::dict)) return std::nullopt;
    const Value* found = value.as<Dict>().find(runtime, key);
    return found ? std::optional(*found) : std::nullopt;
  }
  if (!key.is_integral()) return std::nullopt;
  Int index = key.integer();
  const auto size = length_of(value);
  if (!size || value.is(Kind::view)) return std::nullopt;
  if (index < 0) index += static_cast<Int>(*size);
  if (index < 0 || index >= static_cast<Int>(*size)) return std::nullopt;
  const auto at = static_cast<std::size_t>(index);
  if (value.is(Kind::range)) {
    const auto& range = value.as<Range>();
    return Value::integer(range.start + index * range.step);
  }
  if (!value.is_text()) return value.as<Sequence>().items[at];
  const auto& text = value.as<Text>();
  if (text.ascii()) return runtime.text(std::string(1, text.value[at]), text.markup);
  runtime.work(text.value.size());
  const std::size_t begin = byte_offset(text.value, at);
  std::size_t end = begin;
  decode(text.value, end);
  return runtime.text(text.value.substr(begin, end - begin), text.markup);
}

}  // namespace

Value attribute_of(Runtime& runtime, const Value& value, std::string_view name) {
  if (value.is_undefined()) runtime.fail(value.text());
  if (auto found = builtin_attribute(runtime, value, name)) return std::move(*found);
  if (value.is(Kind::dict))
    if (const Value* found = value.as<Dict>().find(name)) return *found;
  return Value::undefined(fmt::format("'{}' object has no attribute {}", type_name(value), brief(name)));
}

Value item_of(Runtime& runtime, const Value& value, const Value& key) {
  if (value.is_undefined()) runtime.fail(value.text());
  if (auto found = subscript(runtime, value, key)) return std::move(*found);
  if (key.is_text())
    if (auto found = builtin_attribute(runtime, value, key.text())) return std::move(*found);
  return absent(value, key, runtime);
}

Value slice_of(Runtime& runtime, const Value& value, const Value& start, const Value& stop, const Value& step) {
  if (value.is_undefined()) runtime.fail(value.text());
  if (!(repeats(value) || value.is(Kind::range))) runtime.fail(fmt::format("{} has no slices", type_name(value)));
  for (const Value* bound : {&start, &stop, &step})
    if (!bound->is_none() && !bound->is_integral())
      runtime.fail(fmt::format("slice indices must be integers or None, not {}", type_name(*bound)));
  const auto size = static_cast<Int>(*length_of(value));
  const Int stride = step.is_none() ? 1 : step.integer();
  if (stride == 0) runtime.fail("slice step cannot be zero");
  const Int low = stride > 0 ? 0 : -1, high = stride > 0 ? size : size - 1;
  const auto bound = [&](const Value& given, Int absent_) {
    if (given.is_none()) return absent_;
    const Int at = given.integer() < 0 ? std::max(given.integer(), -size - 1) + size : given.integer();
    return std::clamp(at, low, high);
  };
  const Int first = bound(start, stride > 0 ? low : high), last = bound(stop, stride > 0 ? high : low);
  const Int limited = std::clamp<Int>(stride, -size - 1, size + 1);
  const Range range(first, last, limited);
  const auto count = static_cast<std::size_t>(range.size());
  if (value.is_text()) {
    const auto& text = value.as<Text>();
    runtime.work(text.value.size());
    if (limited == 1) {
      const std::size_t begin =
          text.ascii() ? static_cast<std::size_t>(first) : byte_offset(text.value, static_cast<std::size_t>(first));
      const auto rest = std::string_view(text.value).substr(begin);
      return runtime.text(std::string(rest.substr(0, text.ascii() ? count : byte_offset(rest, count))), text.markup);
    }
    std::vector<std::size_t> starts;
    runtime.step(text.length);
    for (std::size_t at = 0; at < text.value.size(); decode(text.value, at)) starts.push_back(at);
    std::string out;
    for (std::size_t i = 0; i < count; ++i) {
      std::size_t at = starts[static_cast<std::size_t>(first + static_cast<Int>(i) * limited)];
      append(out, decode(text.value, at));
    }
    return runtime.text(std::move(out), text.markup);
  }
  if (value.is(Kind::range)) {
    const auto& from = value.as<Range>();
    return Value::of(Kind::range,
                     runtime.own(std::make_unique<Range>(from.start + first * from.step, from.start + last * from.step,
                                                         from.step * limited),
                                 sizeof(Range)));
  }
  runtime.step(count);
  Values out;
  out.reserve(count);
  for (std::size_t i = 0; i < count; ++i)
    out.push_back(value.as<Sequence>().items[static_cast<std::size_t>(first + static_cast<Int>(i) * limited)]);
  return value.is(Kind::list) ? runtime.list(std::move(out)) : runtime.tuple(std::move(out));
}

Value call(Runtime& runtime, const Value& callee, Arguments& arguments) {
  if (callee.is_undefined()) runtime.fail(callee.text());
  if (!callee.is(Kind::thing)) runtime.fail(fmt::format("'{}' object is not callable", type_name(callee)));
  return callee.as<Thing>().call(runtime, arguments);
}

}  // namespace hearth::text::jinja
