// Half precision and bfloat16 to float32 and back. [IEEE 754-2019 binary16]
//
// Functions here and in formats/ are static: kernels compile them under flags of their own, and an inline copy of
// theirs must not be the one that the linker keeps for everybody.
#pragma once

#include <cstdint>

namespace hearth::tensor {

static inline std::uint32_t bits_of(float value) {
  return __builtin_bit_cast(std::uint32_t, value);
}
static inline float from_bits(std::uint32_t bits) {
  return __builtin_bit_cast(float, bits);
}

static inline float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = std::uint32_t(half & 0x8000) << 16, exponent = (half >> 10) & 0x1f,
                      fraction = half & 0x3ff;
  if (exponent == 0x1f) return from_bits(sign | 0x7f800000 | fraction << 13);
  if (exponent != 0) return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
  const float magnitude = float(fraction) * 0x1p-24f;  // exact: subnormal or zero
  return from_bits(sign | bits_of(magnitude));
}

// To nearest, ties to even; overflow becomes infinity, NaN stays NaN.
static inline std::uint16_t float_to_half(float value) {
  const std::uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return std::uint16_t(sign | 0x7e00);
  if (magnitude >= 0x477ff000) return std::uint16_t(sign | 0x7c00);
  if (magnitude < 0x38800000) {  // subnormal: the addition rounds to multiples of 2^-24
    const float shifted = from_bits(magnitude) + 0.5f;
    return std::uint16_t(sign | (bits_of(shifted) - bits_of(0.5f)));
  }
  const std::uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
  return std::uint16_t(sign | (rounded - 0x38000000) >> 13);
}

static inline float bfloat_to_float(std::uint16_t bfloat) {
  return from_bits(std::uint32_t(bfloat) << 16);
}

static inline std::uint16_t float_to_bfloat(float value) {
  const std::uint32_t bits = bits_of(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return std::uint16_t(bits >> 16 | 0x40);
  return std::uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

}  // namespace hearth::tensor
