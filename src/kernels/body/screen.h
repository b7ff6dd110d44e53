// Rows of a screen, four at a time, times one x. See ScreenPiece.
#pragma once

#include "kernels/body/elementwise.h"

#if defined(__AVX2__)
#include "kernels/matmul/fetch.h"
#include "kernels/matmul/unroll.h"
#include "kernels/simd/loads.h"
#if defined(__AVX512VNNI__)
#include "kernels/matmul/vnni.h"
#endif
#endif

namespace hearth::kernels {
namespace {

struct FourSums {
  std::int32_t codes[4], leading[4];
};

#if defined(__AVX2__)

// Each vector's sum, as a lane.
inline __m128i four_sums(const __m256i (&v)[4]) {
  const __m256i sums = _mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_hadd_epi32(v[2], v[3]));
  return _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
}

inline __m256i widen(__m256i words) {
  return _mm256_madd_epi16(words, _mm256_set1_epi16(1));
}

inline FourSums multiply_four(const std::uint8_t* rows, std::size_t row_bytes, std::size_t columns,
                              const std::int8_t* x) {
  const __m256i low_bits = _mm256_set1_epi8(15);
  __m256i sums[4], leading[4];
  for (__m256i& each : sums) each = _mm256_setzero_si256();
  for (std::size_t line = 0; line < 4 * row_bytes; line += 64)
    fetch_ahead(reinterpret_cast<const std::byte*>(rows + line));
#if defined(__AVX512VNNI__)
  __m256i high_sums[4];
  for (__m256i& each : high_sums) each = _mm256_setzero_si256();
  for (std::size_t i = 0; i < columns; i += screen_block) {
    const __m256i first = load32(x + i), second = load32(x + i + 32);
    unroll<4>(HEARTH_UNROLL(row) {
      const __m256i codes = load32(rows + row * row_bytes + i / 2);
      sums[row] = dot_bytes(sums[row], _mm256_and_si256(codes, low_bits), first);
      high_sums[row] = dot_bytes(high_sums[row], _mm256_and_si256(_mm256_srli_epi16(codes, 4), low_bits), second);
    });
  }
  for (int row = 0; row < 4; ++row) sums[row] = _mm256_add_epi32(sums[row], high_sums[row]);
#else
  constexpr std::size_t together = 4 * screen_block;  // columns whose sums fit in 16 bits: 8 * 2 * 15 * 127
  for (std::size_t begin = 0; begin < columns; begin += together) {
    __m256i words[4];
    for (__m256i& each : words) each = _mm256_setzero_si256();
    for (std::size_t i = begin; i < begin + together && i < columns; i += screen_block) {
      const __m256i first = load32(x + i), second = load32(x + i + 32);
      unroll<4>(HEARTH_UNROLL(row) {
        const __m256i codes = load32(rows + row * row_bytes + i / 2);
        const __m256i low = _mm256_maddubs_epi16(_mm256_and_si256(codes, low_bits), first);
        const __m256i high = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(codes, 4), low_bits), second);
        words[row] = _mm256_add_epi16(words[row], _mm256_add_epi16(low, high));
      });
    }
    for (int row = 0; row < 4; ++row) sums[row] = _mm256_add_epi32(sums[row], widen(words[row]));
  }
#endif
  const __m256i values = load32(x + columns);
  for (std::size_t row = 0; row < 4; ++row) {
    const __m256i weights = load32(rows + row * row_bytes + columns / 2);
    leading[row] = widen(_mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(values, weights)));
  }
  FourSums result;
  _mm_storeu_si128(reinterpret_cast<__m128i*>(result.codes), four_sums(sums));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(result.leading), four_sums(leading));
  return result;
}

#else

inline FourSums multiply_four(const std::uint8_t* rows, std::size_t row_bytes, std::size_t columns,
                              const std::int8_t* x) {
  FourSums result{};
  for (std::size_t row = 0; row < 4; ++row, rows += row_bytes) {
    for (std::size_t i = 0; i < columns; ++i) {
      const std::uint8_t codes = rows[i / screen_block * 32 + i % 32];
      result.codes[row] += (i % screen_block < 32 ? codes & 15 : codes >> 4) * x[i];
    }
    for (std::size_t i = 0; i < screen_leading; ++i)
      result.leading[row] += static_cast<std::int8_t>(rows[columns / 2 + i]) * x[columns + i];
  }
  return result;
}

#endif

inline void screen_rows(const ScreenPiece& piece) {
  const std::size_t row_bytes = piece.columns / 2 + screen_leading;
  const float middle = screen_middle * static_cast<float>(piece.x_sum);
  for (std::size_t row = piece.begin; row < piece.end; row += 4) {
    const FourSums sums = multiply_four(piece.rows + row * row_bytes, row_bytes, piece.columns, piece.x);
    float y[4];
    for (std::size_t i = 0; i < 4; ++i)
      y[i] = piece.code_units[row + i] * piece.x_unit * (static_cast<float>(sums.codes[i]) - middle) +
             piece.leading_units[row + i] * piece.x_leading_unit * static_cast<float>(sums.leading[i]);
    const std::size_t count = piece.end - row < 4 ? piece.end - row : 4;
    for (std::size_t i = 0; i < count; ++i) piece.y[row + i] = y[i];
  }
}

template <class V>
float screen_encode(const float* weights, float inverse, std::size_t columns, std::uint8_t* codes) {
  constexpr std::size_t half = screen_block / 2;
  const auto factor = V::splat(inverse), middle = V::splat(screen_middle), most = V::splat(15);
  auto sums = V::zero();
  const auto code = [&](const float* from) {
    const auto exact = V::fma(V::load(from), factor, middle);
    const auto rounded = V::round(V::min(V::max(exact, V::zero()), most)), error = V::sub(exact, rounded);
    sums = V::fma(error, error, sums);
    return rounded;
  };
  for (std::size_t i = 0; i < columns; i += screen_block, weights += screen_block, codes += half) {
    float both[half];  // two codes as one number
    for (std::size_t j = 0; j < half; j += V::lanes)
      V::store(both + j, V::fma(code(weights + j + half), V::splat(16), code(weights + j)));
    for (std::size_t j = 0; j < half; ++j) codes[j] = static_cast<std::uint8_t>(static_cast<int>(both[j]));
  }
  return V::sum(sums);
}

}  // namespace
}  // namespace hearth::kernels
