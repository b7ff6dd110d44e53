// Attributes of lists, tuples, dicts, numbers, and what the sandbox keeps from templates.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "text/jinja/arguments.h"
#include "text/jinja/methods.h"
#include "text/jinja/operators.h"

namespace hearth::text::jinja {

namespace {

template <std::size_t N>
bool among(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// What would change a value in place: there in Python, and refused by the immutable sandbox.
constexpr std::array<std::string_view, 8> list_changes{"append", "clear", "pop",    "reverse",
                                                       "insert", "sort",  "extend", "remove"};
constexpr std::array<std::string_view, 5> dict_changes{"clear", "pop", "popitem", "setdefault", "update"};
constexpr std::array<std::string_view, 12> internals{"__class__", "__dict__",   "__doc__",  "__init__",
                                                     "__len__",   "__eq__",     "__str__",  "__repr__",
                                                     "__hash__",  "__module__", "__iter__", "__getitem__"};

Value unsafe(const Value& value, std::string_view name) {
  return Value::undefined(fmt::format("access to attribute '{}' of '{}' object is unsafe", name, type_name(value)));
}

Value pairs(Runtime& runtime, const Dict& dict) {
  Values items;
  runtime.step(dict.entries.size());
  for (const auto& [key, value] : dict.entries) items.push_back(runtime.tuple({key, value}));
  return runtime.view("dict_items", std::move(items));
}

std::optional<Value> dict_attribute(Runtime& runtime, const Value& self, std::string_view name) {
  const auto method = [&](auto body) { return bound_method(runtime, self, name, std::move(body)); };
  if (name == "items")
    return method([](Runtime& r, const Value& v, const Arguments& a) {
      const Bound none(r, "items", a, {});
      return pairs(r, v.as<Dict>());
    });
  if (name == "keys" || name == "values")
    return method([keys = name == "keys"](Runtime& r, const Value& v, const Arguments& a) {
      const Bound none(r, keys ? "keys" : "values", a, {});
      Values items;
      r.step(v.as<Dict>().entries.size());
      for (const auto& [key, value] : v.as<Dict>().entries) items.push_back(keys ? key : value);
      return r.view(keys ? "dict_keys" : "dict_values", std::move(items));
    });
  if (name == "get")
    return method([](Runtime& r, const Value& v, const Arguments& a) {
      const Bound given(r, "get", a, {"", ""}, 1);
      const Value* found = v.as<Dict>().find(r, given[0]);
      return found ? *found : given[1];
    });
  if (name == "copy") return method([](Runtime&, const Value& v, const Arguments&) { return v; });
  if (name == "fromkeys")
    return method([](Runtime& r, const Value&, const Arguments& a) {
      const Bound given(r, "fromkeys", a, {"", ""}, 1);
      auto made = std::make_unique<Dict>();
      for (const Value& key : to_values(r, given[0])) made->set(r, key, given[1]);
      return r.dict(std::move(made));
    });
  if (among(dict_changes, name)) return unsafe(self, name);
  return std::nullopt;
}

std::optional<Value> sequence_attribute(Runtime& runtime, const Value& self, std::string_view name) {
  const auto method = [&](auto body) { return bound_method(runtime, self, name, std::move(body)); };
  const auto& sequence = self.as<Sequence>();
  if (sequence.group && (name == "grouper" || name == "list")) return sequence.items[name == "list"];
  if (self.is(Kind::view)) return std::nullopt;
  if (name == "count")
    return method([](Runtime& r, const Value& v, const Arguments& a) {
      const Bound given(r, "count", a, {""}, 1);
      Int count = 0;
      for (const Value& item : v.as<Sequence>().items) count += equal(r, item, given[0]);
      return Value::integer(count);
    });
  if (name == "index")
    return method([](Runtime& r, const Value& v, const Arguments& a) {
      const Bound given(r, "index", a, {"", "", ""}, 1);
      const Values& items = v.as<Sequence>().items;
      const auto size = static_cast<Int>(items.size());
      const auto bound = [&](std::size_t i, Int absent) {
        const Int at = given.integer(i, absent);
        return std::clamp<Int>(at < 0 ? at + size : at, 0, size);
      };
      for (Int i = bound(1, 0); i < bound(2, size); ++i)
        if (equal(r, items[static_cast<std::size_t>(i)], given[0])) return Value::integer(i);
      r.fail("the value is not in the list");
    });
  if (self.is(Kind::tuple)) return std::nullopt;
  if (name == "copy") return method([](Runtime&, const Value& v, const Arguments&) { return v; });
  if (among(list_changes, name)) return unsafe(self, name);
  return std::nullopt;
}

std::optional<Value> number_attribute(Runtime& runtime, const Value& self, std::string_view name) {
  const auto method = [&](auto body) { return bound_method(runtime, self, name, std::move(body)); };
  if (name == "real") return self.is(Kind::floating) ? self : Value::integer(self.integer());
  if (name == "imag") return self.is(Kind::floating) ? Value::floating(0) : Value::integer(0);
  if (name == "conjugate") return method([](Runtime&, const Value& v, const Arguments&) { return v; });
  if (self.is(Kind::floating)) {
    if (name == "is_integer")
      return method([](Runtime&, const Value& v, const Arguments&) {
        return Value::boolean(std::isfinite(v.floating()) && v.floating() == std::floor(v.floating()));
      });
    return std::nullopt;
  }
  if (name == "numerator") return Value::integer(self.integer());
  if (name == "denominator") return Value::integer(1);
  if (name == "bit_length")
    return method([](Runtime&, const Value& v, const Arguments&) {
      Int bits = 0;
      for (Int rest = v.integer(); rest != 0; rest /= 2) ++bits;
      return Value::integer(bits);
    });
  return std::nullopt;
}

}  // namespace

Value bound_method(Runtime& runtime, const Value& self, std::string_view name, Method body) {
  return runtime.function(std::string(name), [self, body = std::move(body)](Runtime& r, Arguments& arguments) {
    return body(r, self, arguments);
  });
}

std::optional<Value> builtin_attribute(Runtime& runtime, const Value& value, std::string_view name) {
  if (value.is(Kind::thing)) {
    if (auto found = value.as<Thing>().attribute(runtime, name)) return found;
    return name.substr(0, 2) == "__" && value.as<Thing>().type() != "Namespace" && among(internals, name)
               ? std::optional(unsafe(value, name))
               : std::nullopt;
  }
  if (name.substr(0, 2) == "__") return among(internals, name) ? std::optional(unsafe(value, name)) : std::nullopt;
  switch (value.kind()) {
    case Kind::text:
      return text_attribute(runtime, value, name);
    case Kind::dict:
      return dict_attribute(runtime, value, name);
    case Kind::list:
    case Kind::tuple:
    case Kind::view:
      return sequence_attribute(runtime, value, name);
    case Kind::boolean:
    case Kind::integer:
    case Kind::floating:
      return number_attribute(runtime, value, name);
    case Kind::range: {
      const auto& range = value.as<Range>();
      if (name == "start") return Value::integer(range.start);
      if (name == "stop") return Value::integer(range.stop);
      if (name == "step") return Value::integer(range.step);
      return std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

}  // namespace hearth::text::jinja
