// The values that a code can stand for, before its group's scale.
#pragma once

#include "tensor/encode/lanes.h"
#include "tensor/formats/iq4_nl.h"
#include "tensor/formats/mxfp4.h"

namespace hearth::tensor {
namespace {

// low, low + 1, ..., high; code 0 is the lowest.
template <int lowest, int highest>
struct Integers {
  static constexpr float low = lowest, high = highest;
  static Vector nearest(Vector y) { return round(clamp(y, low, high)); }
  static std::uint8_t code(float value) { return static_cast<std::uint8_t>(int(value) - lowest); }
};

template <int count>
inline Vector nearest_of(const std::int8_t (&sorted)[count], Vector y) {
  Vector value = splat(sorted[0]);
  for (int i = 1; i < count; ++i) value = y > splat(0.5f * float(sorted[i - 1] + sorted[i])) ? splat(sorted[i]) : value;
  return value;
}

struct Iq4Values {
  static constexpr float low = -127, high = 113;
  static Vector nearest(Vector y) { return nearest_of(iq4_values, y); }
  static std::uint8_t code(float value) {
    int code = 0;
    while (code < 15 && float(iq4_values[code]) < value) ++code;
    return static_cast<std::uint8_t>(code);
  }
};

struct Mxfp4Values {
  static constexpr float low = -12, high = 12;
  static constexpr std::int8_t sorted[15] = {-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12};
  static Vector nearest(Vector y) { return nearest_of(sorted, y); }
  static std::uint8_t code(float value) {
    int code = 0;
    while (code < 7 && float(mxfp4_doubled[code]) < (value < 0 ? -value : value)) ++code;
    return static_cast<std::uint8_t>(value < 0 ? code + 8 : code);
  }
};

}  // namespace
}  // namespace hearth::tensor
