// Python's operators on values.
#pragma once

#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace hearth::text::jinja {

enum class Arithmetic : std::uint8_t { add, subtract, multiply, divide, floor_divide, modulo, power };
enum class Order : std::uint8_t { less, less_equal, greater, greater_equal };

Value arithmetic(Runtime& runtime, Arithmetic operation, const Value& left, const Value& right);
Value negative(Runtime& runtime, const Value& value);
Value positive(Runtime& runtime, const Value& value);

bool equal(Runtime& runtime, const Value& left, const Value& right);
bool same(const Value& left, const Value& right);  // `is`
bool ordered(Runtime& runtime, Order order, const Value& left, const Value& right);
bool less(Runtime& runtime, const Value& left, const Value& right);
bool contains(Runtime& runtime, const Value& container, const Value& item);
std::size_t hash_of(Runtime& runtime, const Value& value);  // throws on lists and dicts

// Jinja's `value.name` and `value[key]`: attribute and item, whichever is there; undefined where neither is.
Value attribute_of(Runtime& runtime, const Value& value, std::string_view name);
Value item_of(Runtime& runtime, const Value& value, const Value& key);
// Absent bounds are None.
Value slice_of(Runtime& runtime, const Value& value, const Value& start, const Value& stop, const Value& step);
Value call(Runtime& runtime, const Value& callee, Arguments& arguments);

// Python's attributes of the built-in types: methods, and names that a sandbox hides. [methods*.cpp]
std::optional<Value> builtin_attribute(Runtime& runtime, const Value& value, std::string_view name);

// The integer that an index or a count has to be.
Int to_index(Runtime& runtime, const Value& value);

}  // namespace hearth::text::jinja
