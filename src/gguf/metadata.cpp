#include "gguf/metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "base/error.h"

namespace hearth::gguf {

namespace {

constexpr std::string_view names[] = {"uint8",   "int8",   "uint16", "int16",  "uint32", "int32",  "float32",
                                      "boolean", "string", "array",  "uint64", "int64",  "float64"};

[[noreturn]] void mismatch(const Metadata& metadata, std::string_view key, const Value& value,
                           std::string_view wanted) {
  throw Error(Code::bad_input, fmt::format("{} is of type {} where {} is needed", key, type_name(value), wanted),
              metadata.origin());
}

[[noreturn]] void out_of_range(const Metadata& metadata, std::string_view key, auto number) {
  throw Error(Code::bad_input, fmt::format("{} is {}, which is out of range", key, number), metadata.origin());
}

// Calls `add` with each number of the value, be it one or an array; false where it holds none.
template <class Add>
bool each_number(const Value& value, Add&& add) {
  const auto scalar = [&](const auto& x) {
    constexpr bool number = std::is_arithmetic_v<std::decay_t<decltype(x)>>;
    if constexpr (number) add(x);
    return number;
  };
  const auto* array = std::get_if<Array>(&value.data);
  if (!array) return std::visit(scalar, value.data);
  return std::visit(
      [&](const auto& items) {
        using Item = typename std::decay_t<decltype(items)>::value_type;
        if constexpr (std::is_arithmetic_v<Item>)
          for (const Item item : items) add(item);
        return std::is_arithmetic_v<Item>;
      },
      *array);
}

std::size_t count(const Value& value) {
  const auto* array = std::get_if<Array>(&value.data);
  return array ? std::visit([](const auto& items) { return items.size(); }, *array) : 1;
}

template <class To>
std::optional<To> exact(auto from) {
  if (!std::in_range<To>(from)) return std::nullopt;
  return static_cast<To>(from);
}

template <class T>
constexpr bool is_integer = std::is_integral_v<T> && !std::is_same_v<T, bool>;

std::uint64_t to_integer(const Metadata& metadata, std::string_view key, const Value& value) {
  return std::visit(
      [&](const auto& x) -> std::uint64_t {
        if constexpr (is_integer<std::decay_t<decltype(x)>>) {
          if (const auto result = exact<std::uint64_t>(x)) return *result;
          out_of_range(metadata, key, x);
        } else {
          mismatch(metadata, key, value, "an integer");
        }
      },
      value.data);
}

double to_number(const Metadata& metadata, std::string_view key, const Value& value) {
  return std::visit(
      [&](const auto& x) -> double {
        using T = std::decay_t<decltype(x)>;
        if constexpr (is_integer<T> || std::is_floating_point_v<T>)
          return static_cast<double>(x);
        else
          mismatch(metadata, key, value, "a number");
      },
      value.data);
}

template <class T>
const T& to(const Metadata& metadata, std::string_view key, const Value& value, std::string_view wanted) {
  if (const T* found = std::get_if<T>(&value.data)) return *found;
  mismatch(metadata, key, value, wanted);
}

}  // namespace

std::string type_name(const Value& value) {
  const auto* array = std::get_if<Array>(&value.data);
  if (!array) return std::string(names[value.data.index()]);
  constexpr std::size_t array_number = 9;  // the array of arrays stands last, its number does not
  const std::size_t index = array->index();
  const std::size_t item = index < array_number ? index : index + 1 < std::size(names) ? index + 1 : array_number;
  return fmt::format("array of {} {}", std::visit([](const auto& items) { return items.size(); }, *array), names[item]);
}

Metadata::Metadata(std::string origin, std::vector<Entry> entries)
    : origin_(std::move(origin)), entries_(std::move(entries)) {
  std::vector<std::string_view> keys;
  keys.reserve(entries_.size());
  for (const Entry& entry : entries_) keys.push_back(entry.first);
  std::sort(keys.begin(), keys.end());
  const auto twice = std::adjacent_find(keys.begin(), keys.end());
  if (twice != keys.end()) throw Error(Code::bad_input, fmt::format("the key {} appears twice", *twice), origin_);
}

const Value* Metadata::find(std::string_view key) const {
  for (const Entry& entry : entries_)
    if (entry.first == key) return &entry.second;
  return nullptr;
}

const Value& Metadata::require(std::string_view key) const {
  if (const Value* value = find(key)) return *value;
  throw Error(Code::not_found, fmt::format("the key {} is missing", key), origin_);
}

std::uint64_t Metadata::integer(std::string_view key) const {
  return to_integer(*this, key, require(key));
}

std::uint64_t Metadata::integer(std::string_view key, std::uint64_t absent) const {
  const Value* value = find(key);
  return value ? to_integer(*this, key, *value) : absent;
}

double Metadata::number(std::string_view key) const {
  return to_number(*this, key, require(key));
}

double Metadata::number(std::string_view key, double absent) const {
  const Value* value = find(key);
  return value ? to_number(*this, key, *value) : absent;
}

bool Metadata::boolean(std::string_view key, bool absent) const {
  const Value* value = find(key);
  return value ? to<bool>(*this, key, *value, "a boolean") : absent;
}

const std::string& Metadata::string(std::string_view key) const {
  return to<std::string>(*this, key, require(key), "a string");
}

std::string Metadata::string(std::string_view key, std::string_view absent) const {
  const Value* value = find(key);
  return value ? to<std::string>(*this, key, *value, "a string") : std::string(absent);
}

const std::vector<std::string>& Metadata::strings(std::string_view key) const {
  const Value& value = require(key);
  const auto* array = std::get_if<Array>(&value.data);
  const auto* strings = array ? std::get_if<std::vector<std::string>>(array) : nullptr;
  if (!strings) mismatch(*this, key, value, "an array of strings");
  return *strings;
}

std::vector<double> Metadata::numbers(std::string_view key) const {
  std::vector<double> result;
  const Value* value = find(key);
  if (value) result.reserve(count(*value));
  if (value && !each_number(*value, [&](auto x) { result.push_back(static_cast<double>(x)); }))
    mismatch(*this, key, *value, "a number or an array of numbers");
  return result;
}

std::vector<std::int64_t> Metadata::integers(std::string_view key) const {
  std::vector<std::int64_t> result;
  const Value* value = find(key);
  if (!value) return result;
  result.reserve(count(*value));
  const bool fits = each_number(*value, [&](auto x) {
    if constexpr (std::is_same_v<decltype(x), bool>) {
      result.push_back(x ? 1 : 0);
    } else if constexpr (std::is_integral_v<decltype(x)>) {
      const auto number = exact<std::int64_t>(x);
      if (!number) out_of_range(*this, key, x);
      result.push_back(*number);
    } else {
      mismatch(*this, key, *value, "an integer or an array of integers");
    }
  });
  if (!fits) mismatch(*this, key, *value, "an integer or an array of integers");
  return result;
}

void Metadata::set(std::string_view key, Value value) {
  for (Entry& entry : entries_)
    if (entry.first == key) {
      entry.second = std::move(value);
      return;
    }
  entries_.emplace_back(std::string(key), std::move(value));
}

void Metadata::erase(std::string_view key) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.first == key; });
}

}  // namespace hearth::gguf
