// GGUF metadata: keys and typed values, in the order of the file.
// [https://github.com/ggml-org/ggml/blob/master/docs/gguf.md]
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace hearth::gguf {

struct Value;

// An array's elements all have one type. Nested arrays are kept as vectors of values.
using Array = std::variant<std::vector<std::uint8_t>, std::vector<std::int8_t>, std::vector<std::uint16_t>,
                           std::vector<std::int16_t>, std::vector<std::uint32_t>, std::vector<std::int32_t>,
                           std::vector<float>, std::vector<bool>, std::vector<std::string>, std::vector<std::uint64_t>,
                           std::vector<std::int64_t>, std::vector<double>, std::vector<Value>>;

// The alternatives stand in the order of GGUF's type numbers: data.index() is the number in the file.
struct Value {
  std::variant<std::uint8_t, std::int8_t, std::uint16_t, std::int16_t, std::uint32_t, std::int32_t, float, bool,
               std::string, Array, std::uint64_t, std::int64_t, double>
      data;

  bool operator==(const Value& other) const { return data == other.data; }
};

// "uint32", "string", "array of 32000 string".
std::string type_name(const Value& value);

class Metadata {
 public:
  using Entry = std::pair<std::string, Value>;

  // `origin` is the file's name, for error messages.
  explicit Metadata(std::string origin = {}) : origin_(std::move(origin)) {}
  // Throws bad_input naming a key that appears twice.
  Metadata(std::string origin, std::vector<Entry> entries);

  const Value* find(std::string_view key) const;
  bool has(std::string_view key) const { return find(key) != nullptr; }
  std::span<const Entry> entries() const noexcept { return entries_; }
  const std::string& origin() const noexcept { return origin_; }

  // Numbers convert between integer widths and to floating point where the value fits; anything else throws bad_input
  // naming file, key, and both types. The form without a default throws not_found where the key is absent.
  std::uint64_t integer(std::string_view key) const;
  std::uint64_t integer(std::string_view key, std::uint64_t absent) const;
  double number(std::string_view key) const;
  double number(std::string_view key, double absent) const;
  bool boolean(std::string_view key, bool absent) const;
  const std::string& string(std::string_view key) const;
  std::string string(std::string_view key, std::string_view absent) const;
  const std::vector<std::string>& strings(std::string_view key) const;  // an array of strings
  // Arrays of numbers of any width, converted; a scalar is an array of one, true is 1. Absent: empty.
  std::vector<double> numbers(std::string_view key) const;
  std::vector<std::int64_t> integers(std::string_view key) const;

  // Replaces the value in place, or adds it at the end.
  void set(std::string_view key, Value value);
  void erase(std::string_view key);

 private:
  const Value& require(std::string_view key) const;

  std::string origin_;
  std::vector<Entry> entries_;
};

}  // namespace hearth::gguf
