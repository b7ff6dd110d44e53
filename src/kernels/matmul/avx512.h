// What AVX-512 adds to its vector of floats for matrix products.
#pragma once

#include "kernels/matmul/int8_rows.h"
#include "kernels/simd/avx512.h"

namespace hearth::kernels {
namespace {

struct Avx512Product : Avx512 {
  using Bytes = __m512i;
  static constexpr std::size_t bytes = 64;

  static void prefetch(const std::byte* p) { _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0); }
  // Products of 64 unsigned codes with as many values, four to a lane.
  template <class F>
  static Float dot(Bytes codes, const std::int8_t* x) {
    return _mm512_cvtepi32_ps(_mm512_dpbusd_epi32(_mm512_setzero_si512(), codes, _mm512_loadu_si512(x)));
  }
  // sums += products of 64 unsigned codes with as many values, four to a lane. Assembly, because GCC 12 writes every
  // sum of a tile to memory in each turn of the loop where it sees the intrinsic.
  static void add_dot(__m512i& sums, __m512i codes, __m512i values) {
#if defined(__AVX512VNNI__)
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(codes), "v"(values));
#else
    sums = _mm512_dpbusd_epi32(sums, codes, values);  // emulated
#endif
  }
  // Each of the scales of 64 codes, over the lanes of its group.
  template <std::size_t group>
  static Float spread(const float* scales) {
    if constexpr (group == 32) {
      const __m128 two = _mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(scales)));
      return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1),
                                   _mm512_broadcast_f32x2(two));
    } else {
      return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3),
                                   _mm512_broadcast_f32x4(_mm_loadu_ps(scales)));
    }
  }
};

// 64 columns, or the last 32, to int8: 127 is the largest magnitude.
inline void pack_group(const float* x, std::size_t count, const Int8Rows& rows, std::size_t token, std::size_t group) {
  __m512 largest = _mm512_setzero_ps();
  for (std::size_t i = 0; i < count; i += 16) largest = _mm512_max_ps(largest, _mm512_abs_ps(_mm512_loadu_ps(x + i)));
  const float most = _mm512_reduce_max_ps(largest);
  const bool zero = !(most > 1e-30f);
  const float scale = zero ? 0 : most / 127;
  const __m512 inverse = _mm512_set1_ps(zero ? 0 : 127 / most);

  std::int8_t* const values = rows.values(token) + group * 64;
  for (std::size_t i = 0; i < count; i += 16)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(values + i),
                     _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + i), inverse))));
  for (std::size_t i = count; i < 64; i += 32)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(values + i), _mm256_setzero_si256());

  float* const sums16 = rows.sums<16>(token) + group * 4;
  float* const sums32 = rows.sums<32>(token) + group * 2;
  const __m512i ones = _mm512_set1_epi8(1);
  const __m512 scales = _mm512_set1_ps(scale);
  __m512i all = _mm512_setzero_si512();
  for (std::size_t i = 0; i < count; i += 64) {
    __m512i sum = _mm512_dpbusd_epi32(_mm512_setzero_si512(), ones, _mm512_loadu_si512(values + i));
    all = _mm512_add_epi32(all, sum);
    sum = _mm512_add_epi32(sum, _mm512_shuffle_epi32(sum, _MM_PERM_BADC));
    sum = _mm512_add_epi32(sum, _mm512_shuffle_epi32(sum, _MM_PERM_CDAB));  // each quarter its sum, four times
    const __m512i pairs = _mm512_add_epi32(sum, _mm512_shuffle_i32x4(sum, sum, _MM_PERM_CDAB));
    _mm512_mask_compressstoreu_ps(sums16 + i / 16, 0x1111, _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scales));
    _mm512_mask_compressstoreu_ps(sums32 + i / 32, 0x0101, _mm512_mul_ps(_mm512_cvtepi32_ps(pairs), scales));
  }
  rows.scales(token)[group * 2] = rows.scales(token)[group * 2 + 1] = scale;
  rows.starts(token)[group] = -128 * _mm512_reduce_add_epi32(all);
}

inline void pack_int8(const float* x, std::size_t columns, const Int8Rows& rows, std::size_t token) {
  // The sums come in whole vectors: what lies past the last group must be zero.
  _mm512_storeu_ps(rows.sums<16>(token) + round_up(columns / 16, 16) - 16, _mm512_setzero_ps());
  _mm512_storeu_ps(rows.sums<32>(token) + round_up(columns / 32, 16) - 16, _mm512_setzero_ps());
  for (std::size_t first = 0; first < columns; first += 64)
    pack_group(x + first, columns - first < 64 ? columns - first : 64, rows, token, first / 64);
}

}  // namespace
}  // namespace hearth::kernels
