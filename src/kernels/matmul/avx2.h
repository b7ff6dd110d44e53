// What AVX2 adds to its vector of floats for matrix products: dot products of bytes, and how activations are packed.
#pragma once

#include "kernels/matmul/int8_rows.h"
#include "kernels/matmul/outliers.h"
#include "kernels/matmul_kernels.h"
#include "kernels/simd/avx2.h"
#include "kernels/simd/loads.h"

namespace hearth::kernels {
namespace {

struct Avx2Product : Avx2 {
  using Bytes = __m256i;
  static constexpr std::size_t bytes = 32;

  // How the scales of a group of 256 columns are read, with so many tokens.
  template <class F, int tokens>
  static auto scales(const typename F::Block* blocks) {
    return F::scales(blocks);
  }

  // Products of 32 codes with as many values, four to a lane. vpmaddubsw adds two of them in 16 bits and saturates:
  // 2 * 63 * 127 fits for codes of up to six bits; signed bytes lend their sign to the values: 2 * 128 * 127 fits too.
  template <class F>
  static __m256i dot_words(Bytes codes, const std::int8_t* x) {
    if constexpr (F::is_signed) return _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(load32(x), codes));
    static_assert(F::is_signed || F::most <= 63);
    return _mm256_maddubs_epi16(codes, load32(x));
  }
  template <class F>
  static Bytes dot(Bytes codes, const std::int8_t* x) {
    return _mm256_madd_epi16(dot_words<F>(codes, x), _mm256_set1_epi16(1));
  }
  // The sum of that and of what follows, 32 columns on.
  template <class F>
  static Bytes dot(Bytes first, Bytes second, const std::int8_t* x) {
    if constexpr (4 * 127 * F::most <= 32767)
      return _mm256_madd_epi16(_mm256_add_epi16(dot_words<F>(first, x), dot_words<F>(second, x + 32)),
                               _mm256_set1_epi16(1));
    return _mm256_add_epi32(dot<F>(first, x), dot<F>(second, x + 32));
  }
  // `times` the sums of neighbours, of `a` in the lower half of each 128 bits, of `b` in the upper. `most` is the
  // largest magnitude of a sum.
  template <int most, int times = 1>
  static Bytes join(Bytes a, Bytes b) {
    static_assert(most <= 32767 || times == 1);
    if constexpr (most <= 32767) return _mm256_madd_epi16(_mm256_packs_epi32(a, b), _mm256_set1_epi16(times));
    const __m256 x = _mm256_castsi256_ps(a), y = _mm256_castsi256_ps(b);
    return _mm256_add_epi32(_mm256_castps_si256(_mm256_shuffle_ps(x, y, 0x88)),
                            _mm256_castps_si256(_mm256_shuffle_ps(x, y, 0xdd)));
  }
};

// The larger of magnitudes, which are ordered as integers are, NaN above all.
inline __m256 larger_magnitude(__m256 a, __m256 b) {
  return _mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b)));
}

// The scale that brings `count` numbers, a multiple of 8, into [-most, most]; and its inverse. NaN comes to be the
// scale.
struct Scale {
  float scale, inverse;
  Scale(const float* x, std::size_t count, float most) {
    const __m256i magnitude_bits = _mm256_set1_epi32(0x7fffffff);
    __m256i largest = _mm256_setzero_si256();
    for (std::size_t i = 0; i < count; i += 8)
      largest = _mm256_max_epi32(largest, _mm256_and_si256(load32(x + i), magnitude_bits));
    __m128i four = _mm_max_epi32(_mm256_castsi256_si128(largest), _mm256_extracti128_si256(largest, 1));
    four = _mm_max_epi32(four, _mm_unpackhi_epi64(four, four));
    four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 1));
    const float magnitude = _mm_cvtss_f32(_mm_castsi128_ps(four));
    const bool zero = magnitude <= 1e-30f;
    scale = zero ? 0 : magnitude / most;
    inverse = zero ? 0 : most / magnitude;
  }
};

// Sixteen numbers, rounded; in the order 0 to 3, 8 to 11, 4 to 7, 12 to 15.
inline __m256i round_words(__m256 low, __m256 high, __m256 inverse) {
  return _mm256_packs_epi32(_mm256_cvtps_epi32(_mm256_mul_ps(low, inverse)),
                            _mm256_cvtps_epi32(_mm256_mul_ps(high, inverse)));
}
inline __m256i round_words(const float* x, __m256 inverse) {
  return round_words(_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8), inverse);
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

inline __m256i round_bytes(const float* x, __m256 inverse) {
  const __m256i mixed = _mm256_packs_epi16(round_words(x, inverse), round_words(x + 16, inverse));
  return _mm256_permutevar8x32_epi32(mixed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

inline __m256i sums_of_fours(__m256i bytes) {
  return _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes), _mm256_set1_epi16(1));
}

// 32 columns as int8, 127 the largest magnitude; and the sums of both halves.
struct RoundedGroup {
  __m256i bytes;
  float scale;
  int low, high;
  explicit RoundedGroup(const float* x) {
    const Scale by(x, 32, 127);
    bytes = round_bytes(x, _mm256_set1_ps(by.inverse));
    scale = by.scale;
    __m256i sum = sums_of_fours(bytes);
    sum = _mm256_hadd_epi32(sum, sum);
    sum = _mm256_hadd_epi32(sum, sum);
    low = _mm256_extract_epi32(sum, 0);
    high = _mm256_extract_epi32(sum, 4);
  }
  std::int16_t word(int half) const { return static_cast<std::int16_t>(4 * (half == 0 ? low : high)); }
  float sum16(int half) const { return scale * static_cast<float>(half == 0 ? low : high); }
  float sum32() const { return scale * static_cast<float>(low + high); }
};

inline void pack_bytes_group(const float* x, const Int8Rows& rows, std::size_t token, std::size_t group, Place place) {
  const RoundedGroup rounded(x);
  std::int8_t* const to = rows.values(token) + place.at;
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_castsi256_si128(rounded.bytes));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to + place.apart), _mm256_extracti128_si256(rounded.bytes, 1));
  const std::size_t first =
      group / 8 * 16 + group % 8 / 4 * 4 + group % 4 / 2 * 8 + group % 2 * 2;  // 0-3, 8-11, 4-7, ...
  rows.sums<16>(token)[first] = rounded.sum16(0);
  rows.sums<16>(token)[first + 1] = rounded.sum16(1);
  rows.words(token)[group * 2] = rounded.word(0);
  rows.words(token)[group * 2 + 1] = rounded.word(1);
  rows.sums<32>(token)[group] = rounded.sum32();
  rows.scales(token)[group] = rounded.scale;
}

inline void pack_bytes(const float* x, std::size_t columns, const Int8Rows& rows, std::size_t token) {
  // The sums are read in whole vectors: what lies past the last group must be zero.
  for (std::size_t i = columns / 16; i < round_up(columns / 32, 16) * 2; ++i) rows.words(token)[i] = 0;
  for (std::size_t i = columns / 16; i < round_up(columns / 16, 16); ++i) rows.sums<16>(token)[i] = 0;
  for (std::size_t i = columns / 32; i < round_up(columns / 32, 16); ++i) rows.sums<32>(token)[i] = 0;
  for (std::size_t group = 0; group < columns / 32; ++group)
    pack_bytes_group(x + group * 32, rows, token, group, Place(group, columns));
}

}  // namespace
}  // namespace hearth::kernels
