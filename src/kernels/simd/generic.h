// The vector type of any processor: four floats, in the compiler's own vector extension.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hearth::kernels {
namespace {

struct Generic {
  using Float = float __attribute__((vector_size(16)));
  using Int = std::int32_t __attribute__((vector_size(16)));
  static constexpr std::size_t lanes = 4;
  static constexpr std::size_t product_rows = 4,
                               product_vectors = 2;  // accumulators of a matrix product that fit registers

  static Float zero() { return Float{}; }
  static Float splat(float x) { return Float{x, x, x, x}; }
  static Float iota() { return Float{0, 1, 2, 3}; }
  static Float load(const float* p) {
    Float v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
  }
  static void store(float* p, Float v) { __builtin_memcpy(p, &v, sizeof v); }
  // The first n < lanes elements; the others are zero, or left alone.
  static Float load_part(const float* p, std::size_t n) {
    Float v{};
    for (std::size_t i = 0; i < n; ++i) v[i] = p[i];
    return v;
  }
  static void store_part(float* p, Float v, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) p[i] = v[i];
  }

  static Float add(Float a, Float b) { return a + b; }
  static Float sub(Float a, Float b) { return a - b; }
  static Float mul(Float a, Float b) { return a * b; }
  static Float div(Float a, Float b) { return a / b; }
  static Float fma(Float a, Float b, Float c) { return a * b + c; }
  static Float max(Float a, Float b) { return a > b ? a : b; }  // b where either is not a number
  static Float min(Float a, Float b) { return a < b ? a : b; }
  static Float abs(Float a) { return (Float)((Int)a & 0x7fffffff); }
  static Float where_less(Float a, Float b, Float yes, Float no) { return a < b ? yes : no; }  // a < b ? yes : no
  static bool any_greater(Float a, Float b) {
    const Int m = a > b;
    return (m[0] | m[1] | m[2] | m[3]) != 0;
  }
  // To the nearest integer, for |x| < 2^22.
  static Float round(Float x) {
    const Float magic = splat(12582912.0f);
    return (x + magic) - magic;
  }
  // x * 2^n for whole n in [-126, 127].
  static Float scale_by_power(Float x, Float n) { return x * (Float)((__builtin_convertvector(n, Int) + 127) << 23); }
  static float sum(Float v) { return (v[0] + v[2]) + (v[1] + v[3]); }
  static float maximum(Float v) {
    const float a = v[0] > v[2] ? v[0] : v[2], b = v[1] > v[3] ? v[1] : v[3];
    return a > b ? a : b;
  }
  // Element i is the sum of v[i].
  static Float sums(const Float (&v)[lanes]) { return Float{sum(v[0]), sum(v[1]), sum(v[2]), sum(v[3])}; }
  static void transpose(Float (&v)[lanes]) {
    const Float a = v[0], b = v[1], c = v[2], d = v[3];
    for (std::size_t i = 0; i < lanes; ++i) v[i] = Float{a[i], b[i], c[i], d[i]};
  }
  // (a0 a1 ...), (b0 b1 ...) <-> (a0 b0 a1 b1 ...)
  static void interleave(Float a, Float b, Float& low, Float& high) {
    low = Float{a[0], b[0], a[1], b[1]};
    high = Float{a[2], b[2], a[3], b[3]};
  }
  static void separate(Float low, Float high, Float& a, Float& b) {
    a = Float{low[0], low[2], high[0], high[2]};
    b = Float{low[1], low[3], high[1], high[3]};
  }

  static float half_to_float(std::uint16_t half) {
    // Shift the fields into place as if the exponent had float's bias, then multiply by 2^112: exact for subnormals
    // too.
    const std::uint32_t magnitude = static_cast<std::uint32_t>(half & 0x7fff) << 13;
    float value;
    __builtin_memcpy(&value, &magnitude, sizeof value);
    value =
        magnitude >= 0x0f800000 ? (magnitude == 0x0f800000 ? __builtin_inff() : __builtin_nanf("")) : value * 0x1p112f;
    return half & 0x8000 ? -value : value;
  }
  static std::uint16_t float_to_half(float x) {
    std::uint32_t bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    const std::uint32_t sign = (bits >> 16) & 0x8000, magnitude = bits & 0x7fffffff;
    std::uint32_t half;
    if (magnitude > 0x7f800000)
      half = 0x7e00;
    else if (magnitude >= 0x477ff000)  // rounds to 65520 or more
      half = 0x7c00;
    else if (magnitude >= 0x38800000)  // normal: to nearest, ties to even
      half = (magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13;
    else {  // subnormal: adding 0.5 leaves the value, rounded, in the low bits
      float value;
      __builtin_memcpy(&value, &magnitude, sizeof value);
      value += 0.5f;
      __builtin_memcpy(&bits, &value, sizeof bits);
      half = bits - 0x3f000000;
    }
    return static_cast<std::uint16_t>(sign | half);
  }
  static Float load_half(const std::uint16_t* p) {
    return Float{half_to_float(p[0]), half_to_float(p[1]), half_to_float(p[2]), half_to_float(p[3])};
  }
  static void store_half(std::uint16_t* p, Float v) {
    for (std::size_t i = 0; i < lanes; ++i) p[i] = float_to_half(v[i]);
  }
  static Float load_int8(const std::int8_t* p) { return Float{float(p[0]), float(p[1]), float(p[2]), float(p[3])}; }
  // The low, or the high, four bits of each byte.
  static Float load_low_nibbles(const std::uint8_t* p) {
    return Float{float(p[0] & 15), float(p[1] & 15), float(p[2] & 15), float(p[3] & 15)};
  }
  static Float load_high_nibbles(const std::uint8_t* p) {
    return Float{float(p[0] >> 4), float(p[1] >> 4), float(p[2] >> 4), float(p[3] >> 4)};
  }
};

}  // namespace
}  // namespace hearth::kernels
