// What reader and writer of GGUF agree on. For this room only.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "gguf/metadata.h"
#include "tensor/type.h"

namespace hearth::gguf {

inline constexpr std::string_view magic = "GGUF";
inline constexpr std::uint64_t default_alignment = 32;
inline constexpr std::size_t name_limit = 64;    // bytes of a tensor's name
inline constexpr std::size_t key_limit = 65535;  // bytes of a key
inline constexpr std::size_t depth_limit = 4;    // arrays in arrays
inline constexpr std::size_t dimension_limit = 4;
inline constexpr std::uint32_t array_number = 9;  // the type number of arrays

// Calls `take` with a value of the C++ type that has this number in files, be it a scalar's or a string's; arrays are
// the caller's business. False where the number is unknown.
template <class Take>
bool with_type(std::uint32_t number, Take&& take) {
  switch (number) {
    case 0:
      return take(std::uint8_t{}), true;
    case 1:
      return take(std::int8_t{}), true;
    case 2:
      return take(std::uint16_t{}), true;
    case 3:
      return take(std::int16_t{}), true;
    case 4:
      return take(std::uint32_t{}), true;
    case 5:
      return take(std::int32_t{}), true;
    case 6:
      return take(float{}), true;
    case 7:
      return take(bool{}), true;
    case 8:
      return take(std::string{}), true;
    case 10:
      return take(std::uint64_t{}), true;
    case 11:
      return take(std::int64_t{}), true;
    case 12:
      return take(double{}), true;
    default:
      return false;
  }
}

// Each throws bad_input naming `origin` (the file) and the key or tensor at fault.
void check_key(std::string_view key, std::string_view origin);
void check_tensor_name(std::string_view name, std::string_view origin);
// general.alignment, a power of two of at least 8; default_alignment where absent.
std::uint64_t alignment_of(const Metadata& metadata);
// The bytes of a tensor: 1 to 4 dimensions, each at least 1, the first a whole number of blocks.
std::uint64_t tensor_bytes(std::string_view name, tensor::Type type, std::span<const std::uint64_t> shape,
                           std::string_view origin);

// `position` moved up to a multiple of `alignment`, a power of two; no overflow for what lies in a file.
inline std::uint64_t align(std::uint64_t position, std::uint64_t alignment) {
  return (position + alignment - 1) & ~(alignment - 1);
}

}  // namespace hearth::gguf
