// What the encoders compute with: sixteen groups of weights side by side, one a lane, so that no sum crosses lanes and
// every processor comes to the same bytes.
//
// Headers of this folder are compiled by kernels under flags of their own: everything is in an unnamed namespace, and
// no std templates are used.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/float16.h"

namespace hearth::tensor {
namespace {

inline constexpr int lanes = 16;

#if defined(__AVX512F__)
inline constexpr int vector_width = 16;
#elif defined(__AVX2__)
inline constexpr int vector_width = 8;
#else
inline constexpr int vector_width = 4;
#endif
using Vector = float __attribute__((vector_size(vector_width * 4)));

inline Vector splat(float x) {
  return x - Vector{};
}
inline Vector load(const float* from) {
  Vector v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}
inline void store(float* to, Vector v) {
  __builtin_memcpy(to, &v, sizeof v);
}
// To the nearest integer, ties to even, for |v| < 2^22.
inline Vector round(Vector v) {
  const Vector magic = splat(12582912.0f);
  return (v + magic) - magic;
}
inline float round(float v) {
  return (v + 12582912.0f) - 12582912.0f;
}
// `high` where v is not a number.
inline Vector clamp(Vector v, float low, float high) {
  const Vector bottom = splat(low), top = splat(high);
  v = v < top ? v : top;
  return v > bottom ? v : bottom;
}
inline float clamp(float v, float low, float high) {
  v = v < high ? v : high;
  return v > low ? v : low;
}

// A number for each group.
struct Lanes {
  alignas(64) float at[lanes];
};

// x[i][g], w[i][g]: weight i of group g and how much its error counts.
template <int group>
struct Tile {
  alignas(64) float x[group][lanes];
  alignas(64) float w[group][lanes];
};

// Groups of [weights, weights + count); lanes beyond are zero. The importance is brought to a largest of 1 in each
// block of `block_lanes` groups; where it is zero throughout, all weights count alike.
template <int block_lanes, int group>
inline void fill(Tile<group>& tile, const float* weights, const float* importance, std::size_t count) {
  for (int g = 0; g < lanes; ++g) {
    const bool real = std::size_t(g) * group < count;
    for (int i = 0; i < group; ++i) {
      tile.x[i][g] = real ? clamp(weights[g * group + i], -3.0e38f, 3.0e38f) : 0;
      tile.w[i][g] = importance && real ? importance[g * group + i] : 1;
    }
  }
  if (!importance) return;
  for (int first = 0; first < lanes; first += block_lanes) {
    float largest = 0;
    for (int i = 0; i < group; ++i)
      for (int g = first; g < first + block_lanes; ++g) largest = tile.w[i][g] > largest ? tile.w[i][g] : largest;
    const float factor = largest > 1e-30f && largest < 1e30f ? 1 / largest : 0;
    for (int i = 0; i < group; ++i)
      for (int g = first; g < first + block_lanes; ++g)
        tile.w[i][g] = (factor > 0 && tile.w[i][g] > 0 ? tile.w[i][g] * factor : 0) + 1e-9f;
  }
}

// The sum over the groups of one block, in each of its lanes.
template <int block_lanes>
inline Lanes block_sum(const Lanes& x) {
  Lanes sums;
  for (int first = 0; first < lanes; first += block_lanes) {
    float sum = 0;
    for (int g = first; g < first + block_lanes; ++g) sum += x.at[g];
    for (int g = first; g < first + block_lanes; ++g) sums.at[g] = sum;
  }
  return sums;
}

// The nearest half precision number that is finite.
inline float to_half(float x) {
  return half_to_float(float_to_half(clamp(x, -65504.0f, 65504.0f)));
}
inline std::uint16_t half_bits(float x) {
  return float_to_half(clamp(x, -65504.0f, 65504.0f));
}

}  // namespace
}  // namespace hearth::tensor
