#include "base/reader.h"

#include <fmt/format.h>

#include "base/error.h"

namespace hearth {

void Reader::truncated(std::uint64_t count, std::string_view what) const {
  fail(fmt::format("truncated: {} needs {} bytes, {} are left", what, count, left()));
}

void Reader::seek(std::uint64_t position, std::string_view what) {
  if (position > bytes_.size()) fail(fmt::format("{} lies outside: byte {} of {}", what, position, bytes_.size()));
  position_ = static_cast<std::size_t>(position);
}

void Reader::fail(std::string_view fault) const {
  throw Error(Code::bad_input, fault, fmt::format("{} at byte {}", name_, position_));
}

std::uint64_t checked_multiply(std::uint64_t a, std::uint64_t b, std::string_view what) {
  std::uint64_t result;
  if (__builtin_mul_overflow(a, b, &result)) throw Error(Code::bad_input, fmt::format("{} is too large", what));
  return result;
}

std::uint64_t checked_add(std::uint64_t a, std::uint64_t b, std::string_view what) {
  std::uint64_t result;
  if (__builtin_add_overflow(a, b, &result)) throw Error(Code::bad_input, fmt::format("{} is too large", what));
  return result;
}

}  // namespace hearth
