// What AVX-512 adds to its vector of floats for matrix products.
#pragma once

#include "kernels/matmul/int8_rows.h"
#include "kernels/simd/avx512.h"

namespace hearth::kernels {
namespace {

struct Avx512Product : Avx512 {
  static void prefetch(const std::byte* p) { _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0); }
  // sums += products of 64 unsigned codes with as many values, four to a lane. Assembly, because GCC 12 writes every
  // sum of a tile to memory in each turn of the loop where it sees the intrinsic.
  static void add_dot(__m512i& sums, __m512i codes, __m512i values) {
#if defined(__AVX512VNNI__)
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(codes), "v"(values));
#else
    sums = _mm512_dpbusd_epi32(sums, codes, values);  // emulated
#endif
  }
};

// Activations for products with many tokens: each token a record of int8, value = scale * code, with a scale for each
// 64 columns. Past the last column codes are zero.
struct TileRows {
  std::byte* base;
  // floats, of 64 columns each; what a product with weights that are 128 too large starts from, -128 * the sum of
  // codes; the sums of codes of 32 columns each; the same times the scale
  std::size_t scales_at, starts_after, counts_at, products_at, record;

  TileRows(const std::byte* packed, std::size_t columns) : base(const_cast<std::byte*>(packed)) {
    scales_at = round_up(columns, 64);
    starts_after = scales_at / 16;
    counts_at = scales_at + 2 * starts_after;
    products_at = counts_at + 2 * starts_after;
    record = round_up(products_at + 2 * starts_after, 64);
    if (record % 128 == 0) record += 64;  // rows should not meet in the same sets of a cache
  }
};

// 64 columns, or the last 32, to int8: 127 is the largest magnitude.
inline void pack_part(const float* x, std::size_t first, std::size_t columns, const TileRows& rows, std::size_t token) {
  const std::size_t count = columns - first < 64 ? 2 : 4;
  __m512 v[4], largest = _mm512_setzero_ps();
  for (std::size_t i = 0; i < 4; ++i) {
    v[i] = i < count ? _mm512_loadu_ps(x + first + i * 16) : _mm512_setzero_ps();
    largest = _mm512_max_ps(largest, _mm512_abs_ps(v[i]));
  }
  const float most = _mm512_reduce_max_ps(largest);
  const bool zero = !(most > 1e-30f);
  const __m512 inverse = _mm512_set1_ps(zero ? 0 : 127 / most);
  std::byte* const to = rows.base + token * rows.record;
  __m512i codes[4];
  for (std::size_t i = 0; i < 4; ++i) {
    codes[i] = _mm512_cvtps_epi32(_mm512_mul_ps(v[i], inverse));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + first + i * 16), _mm512_cvtsepi32_epi8(codes[i]));
  }
  const float scale = zero ? 0 : most / 127;
  const int low = _mm512_reduce_add_epi32(_mm512_add_epi32(codes[0], codes[1]));
  const int high = _mm512_reduce_add_epi32(_mm512_add_epi32(codes[2], codes[3]));
  reinterpret_cast<float*>(to + rows.scales_at)[first / 64] = scale;
  reinterpret_cast<int*>(to + rows.scales_at + rows.starts_after)[first / 64] = -128 * (low + high);
  int* const counts = reinterpret_cast<int*>(to + rows.counts_at) + first / 32;
  counts[0] = low;
  counts[1] = high;
  float* const products = reinterpret_cast<float*>(to + rows.products_at) + first / 32;
  products[0] = scale * static_cast<float>(low);
  products[1] = scale * static_cast<float>(high);
}

}  // namespace
}  // namespace hearth::kernels
