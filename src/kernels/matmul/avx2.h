// What AVX2 adds to its vector of floats for matrix products: dot products of bytes, and how activations are packed.
#pragma once

#include "kernels/matmul/int8_rows.h"
#include "kernels/simd/avx2.h"

namespace hearth::kernels {
namespace {

inline __m128i load16(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}
inline __m256i load32(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

struct Avx2Product : Avx2 {
  using Bytes = __m256i;
  static constexpr std::size_t bytes = 32;

  static void prefetch(const std::byte* p) { _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0); }
  // Products of 32 codes with as many values, four to a lane. vpmaddubsw adds two of them in 16 bits and saturates:
  // 2 * 63 * 127 fits for codes of up to six bits; signed bytes lend their sign to the values: 2 * 128 * 127 fits too.
  template <class F>
  static __m256i dot_words(Bytes codes, const std::int8_t* x) {
    if constexpr (F::is_signed) return _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(load32(x), codes));
    static_assert(F::is_signed || F::most <= 63);
    return _mm256_maddubs_epi16(codes, load32(x));
  }
  template <class F>
  static Float dot(Bytes codes, const std::int8_t* x) {
    return _mm256_cvtepi32_ps(_mm256_madd_epi16(dot_words<F>(codes, x), _mm256_set1_epi16(1)));
  }
  // Sums of neighbours, of `a` in the lower half of each 128 bits, of `b` in the upper. `most` is the largest magnitude
  // they have.
  template <int most>
  static Bytes join(Bytes a, Bytes b) {
    if constexpr (most <= 32767) return _mm256_madd_epi16(_mm256_packs_epi32(a, b), _mm256_set1_epi16(1));
    const __m256 x = _mm256_castsi256_ps(a), y = _mm256_castsi256_ps(b);
    return _mm256_add_epi32(_mm256_castps_si256(_mm256_shuffle_ps(x, y, 0x88)),
                            _mm256_castps_si256(_mm256_shuffle_ps(x, y, 0xdd)));
  }
};

// Activations as words, for products with weights that fill more than a byte: each token a record of values of up to
// 1023 in magnitude, with a scale for each 256 columns.
struct WordRows {
  std::byte* base;
  std::size_t scales_at, record;

  WordRows(const std::byte* packed, std::size_t columns) : base(const_cast<std::byte*>(packed)) {
    const std::size_t padded = round_up(columns, group_columns);
    scales_at = padded * sizeof(std::int16_t);
    record = round_up(scales_at + padded / group_columns * sizeof(float), 64);
    if (record % 128 == 0) record += 64;  // rows should not meet in the same sets of a cache
  }
  std::int16_t* values(std::size_t token) const { return reinterpret_cast<std::int16_t*>(base + token * record); }
  float* scales(std::size_t token) const { return reinterpret_cast<float*>(base + token * record + scales_at); }
};

// The scale that brings `count` numbers, a multiple of 8, into [-most, most]; and its inverse.
struct Scale {
  float scale, inverse;
  Scale(const float* x, std::size_t count, float most) {
    __m256 largest = _mm256_setzero_ps();
    for (std::size_t i = 0; i < count; i += 8) largest = Avx2::max(largest, Avx2::abs(_mm256_loadu_ps(x + i)));
    const float magnitude = Avx2::maximum(largest);
    const bool zero = !(magnitude > 1e-30f);
    scale = zero ? 0 : magnitude / most;
    inverse = zero ? 0 : most / magnitude;
  }
};

// Sixteen numbers, rounded; in the order 0 to 3, 8 to 11, 4 to 7, 12 to 15.
inline __m256i round_words(const float* x, __m256 inverse) {
  return _mm256_packs_epi32(_mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), inverse)),
                            _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8), inverse)));
}

// Where 32 columns of activations lie: 16, and the others so many bytes on. Two times 32 share vectors: in each whole
// group of 256 what is 128 columns apart, then neighbours; one without a neighbour is in order.
struct Place {
  std::size_t at, apart;
  Place(std::size_t group, std::size_t columns) {
    const bool whole = group < columns / group_columns * 8, alone = !whole && (group | 1) >= columns / 32;
    const std::size_t pair = whole ? group / 8 * 4 + group % 4 : group / 2, second = whole ? group % 8 / 4 : group % 2;
    at = pair * 64 + second * 16;
    apart = alone ? 16 : 32;
  }
};

// 32 columns to int8: 127 is the largest magnitude.
inline void pack_bytes_group(const float* x, const Int8Rows& rows, std::size_t token, std::size_t group, Place place) {
  const Scale by(x, 32, 127);
  const __m256 inverse = _mm256_set1_ps(by.inverse);
  const __m256i mixed = _mm256_packs_epi16(round_words(x, inverse), round_words(x + 16, inverse));
  const __m256i bytes = _mm256_permutevar8x32_epi32(mixed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  std::int8_t* const to = rows.values(token) + place.at;
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_castsi256_si128(bytes));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to + place.apart), _mm256_extracti128_si256(bytes, 1));
  __m256i sum = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes), _mm256_set1_epi16(1));
  sum = _mm256_hadd_epi32(sum, sum);
  sum = _mm256_hadd_epi32(sum, sum);
  const int low = _mm256_extract_epi32(sum, 0), high = _mm256_extract_epi32(sum, 4);
  const std::size_t first =
      group / 8 * 16 + group % 8 / 4 * 4 + group % 4 / 2 * 8 + group % 2 * 2;  // 0-3, 8-11, 4-7, ...
  rows.sums<16>(token)[first] = by.scale * static_cast<float>(low);
  rows.sums<16>(token)[first + 1] = by.scale * static_cast<float>(high);
  rows.sums<32>(token)[group] = by.scale * static_cast<float>(low + high);
  rows.scales(token)[group] = by.scale;
}

inline void pack_bytes(const float* x, std::size_t columns, const Int8Rows& rows, std::size_t token) {
  // The sums are read in whole vectors: what lies past the last group must be zero.
  for (std::size_t i = columns / 16; i < round_up(columns / 16, 16); ++i) rows.sums<16>(token)[i] = 0;
  for (std::size_t i = columns / 32; i < round_up(columns / 32, 16); ++i) rows.sums<32>(token)[i] = 0;
  for (std::size_t group = 0; group < columns / 32; ++group)
    pack_bytes_group(x + group * 32, rows, token, group, Place(group, columns));
}

inline void pack_words(const float* x, std::size_t columns, const WordRows& rows, std::size_t token) {
  for (std::size_t first = 0; first < columns; first += group_columns) {
    const std::size_t count = columns - first < group_columns ? columns - first : group_columns;
    const Scale by(x + first, count, 1023);
    const __m256 inverse = _mm256_set1_ps(by.inverse);
    std::int16_t* const values = rows.values(token) + first;
    for (std::size_t i = 0; i < count; i += 16)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(values + i),
                          _mm256_permute4x64_epi64(round_words(x + first + i, inverse), 0xd8));
    rows.scales(token)[first / group_columns] = by.scale;
  }
}

}  // namespace
}  // namespace hearth::kernels
