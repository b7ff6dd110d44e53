// What AVX-512 adds to its vector of floats for matrix products.
#pragma once

#include "kernels/matmul/int8_rows.h"
#include "kernels/matmul/outliers.h"
#include "kernels/matmul_kernels.h"
#include "kernels/simd/avx512.h"

namespace hearth::kernels {
namespace {

struct Avx512Product : Avx512 {
  // sums += products of 64 unsigned codes with as many values, four to a lane. Assembly, because GCC 12 writes every
  // sum of a tile to memory in each turn of the loop where it sees the intrinsic.
  static void add_dot(__m512i& sums, __m512i codes, __m512i values) {
#if defined(__AVX512VNNI__)
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(codes), "v"(values));
#else  // emulated
    sums = _mm512_dpbusd_epi32(sums, codes, values);
#endif
  }
  // The same four values for each lane.
  static void add_dot_of(__m512i& sums, __m512i codes, const std::int8_t* four) {
    using Four = std::int32_t __attribute__((may_alias));
#if defined(__AVX512VNNI__)
    __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sums) : "v"(codes), "m"(*reinterpret_cast<const Four*>(four)));
#else  // emulated
    sums = _mm512_dpbusd_epi32(sums, codes, _mm512_set1_epi32(*reinterpret_cast<const Four*>(four)));
#endif
  }
};

// Activations for products with many tokens: each token a record of codes, value = scale * code, with a scale for each
// 64 columns, and outliers aside. Past the last column codes are zero.
struct TileRows {
  static constexpr std::size_t chunk = 2048;  // columns that have a list
  using List = Outliers<chunk>;
  std::byte* base;
  // floats, of 64 columns each; what a product with weights that are 128 too large starts from, -128 * the sum of
  // codes; lists
  std::size_t scales_at, starts_after, lists_at, record;

  TileRows(const std::byte* packed, std::size_t columns) : base(const_cast<std::byte*>(packed)) {
    scales_at = round_up(columns, 64);
    starts_after = scales_at / 16;
    lists_at = round_up(scales_at + 2 * starts_after, alignof(List));
    record = record_of(lists_at + round_up(columns, chunk) / chunk * sizeof(List));
  }
  List& list(std::size_t token, std::size_t column) const {
    return reinterpret_cast<List*>(base + token * record + lists_at)[column / chunk];
  }
};

// The larger of magnitudes, which are ordered as integers are, NaN above all.
inline __m512 larger_magnitude(__m512 a, __m512 b) {
  return _mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
}

// Up to 64 columns, and their largest magnitude.
struct Part {
  __m512 values[4];
  float most;

  Part(const float* x, std::size_t columns) {
    __m512 largest = _mm512_setzero_ps();
    for (std::size_t i = 0; i < 4; ++i) {
      values[i] = i * 16 < columns ? _mm512_loadu_ps(x + i * 16) : _mm512_setzero_ps();
      largest = larger_magnitude(largest, _mm512_abs_ps(values[i]));
    }
    most = _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(_mm512_reduce_max_epi32(_mm512_castps_si512(largest)))));
  }
};

// `first`: the first column's place.
inline void pack_part(const Part& part, std::size_t first, const TileRows& rows, std::size_t token) {
  const bool zero = part.most <= 1e-30f;
  const __m512 inverse = _mm512_set1_ps(zero ? 0 : 127 / part.most);
  const float scale = zero ? 0 : part.most / 127;
  std::byte* const to = rows.base + token * rows.record;
  const auto put = [to](std::size_t at, auto value) { __builtin_memcpy(to + at, &value, sizeof value); };
  unsigned sum = 0;  // infinity's wrap
  for (std::size_t i = 0; i < 4; ++i) {
    const __m512i codes = _mm512_cvtps_epi32(_mm512_mul_ps(part.values[i], inverse));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + first + i * 16), _mm512_cvtsepi32_epi8(codes));
    sum += static_cast<unsigned>(_mm512_reduce_add_epi32(codes));
  }
  put(rows.scales_at + first / 16, scale);
  put(rows.scales_at + rows.starts_after + first / 16, static_cast<int>(-128U * sum));
}

inline void pack_row(const float* x, std::size_t columns, const TileRows& rows, std::size_t token) {
  const float limit = far_for_all * root_mean_square(x, columns);
  for (std::size_t first = 0; first < columns; first += 64) {
    TileRows::List& list = rows.list(token, first);
    if (first % TileRows::chunk == 0) list.count = 0;
    const std::size_t count = columns - first < 64 ? 32 : 64;
    Part part(x + first, count);
    if (part.most > limit) {
      alignas(64) float rest[64];
      list.take(x + first, count, first % TileRows::chunk, limit, rest);
      part = Part(rest, count);
    }
    pack_part(part, first, rows, token);
  }
}

}  // namespace
}  // namespace hearth::kernels
