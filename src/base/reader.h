// A checked little-endian reader: the only way bytes from a file become numbers.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace hearth {

static_assert(std::endian::native == std::endian::little, "files are little-endian; this machine is not");

class Reader {
 public:
  // `name` stands in every error (the file, or the key being read). Borrows both.
  Reader(std::span<const std::byte> bytes, std::string name) : bytes_(bytes), name_(std::move(name)) {}

  template <class T>
  T read(std::string_view what) {
    static_assert(std::is_arithmetic_v<T>);
    T value;
    std::memcpy(&value, take(sizeof value, what).data(), sizeof value);
    return value;
  }

  // The next `count` bytes; throws bad_input, naming file, offset and `what`, when fewer are left.
  std::span<const std::byte> take(std::uint64_t count, std::string_view what) {
    if (count > left()) truncated(count, what);
    const auto bytes = bytes_.subspan(position_, static_cast<std::size_t>(count));
    position_ += bytes.size();
    return bytes;
  }
  std::string_view take_text(std::uint64_t count, std::string_view what) {
    const auto bytes = take(count, what);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  std::size_t position() const noexcept { return position_; }
  std::size_t left() const noexcept { return bytes_.size() - position_; }
  void seek(std::uint64_t position, std::string_view what);
  const std::string& name() const noexcept { return name_; }

  // Throws bad_input: FAULT, NAME at byte POSITION.
  [[noreturn]] void fail(std::string_view fault) const;

 private:
  [[noreturn]] void truncated(std::uint64_t count, std::string_view what) const;

  std::span<const std::byte> bytes_;
  std::string name_;
  std::size_t position_ = 0;
};

// a * b and a + b; throw bad_input naming `what` when the result does not fit.
std::uint64_t checked_multiply(std::uint64_t a, std::uint64_t b, std::string_view what);
std::uint64_t checked_add(std::uint64_t a, std::uint64_t b, std::string_view what);

}  // namespace hearth
