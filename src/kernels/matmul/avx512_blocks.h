// What products with five tokens and more share (avx512_several.h, avx512_some.h): activations of tokens side by side,
// and 64 columns of sixteen rows' codes that stay in registers while tokens pass by.
#pragma once

#include "kernels/matmul/avx2.h"
#include "kernels/matmul/avx512_rows.h"

namespace hearth::kernels {
namespace {

constexpr std::size_t block_columns = 64;

// Activations of up to `lanes` tokens, 64 columns: value = scale * code, rounded as for few tokens.
template <std::size_t lanes>
struct TokenBlock {
  alignas(64) std::int8_t values[lanes][block_columns];
  alignas(64) std::int32_t counts[4][lanes];  // sums of 16 columns' codes
  float scales[2][lanes];                     // of 32 columns

  // 32 columns of a token: the first half, or the second.
  void put(std::size_t lane, std::size_t half, const float* x) {
    const RoundedGroup rounded(x);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(values[lane] + half * 32), rounded.bytes);
    counts[2 * half][lane] = rounded.low;
    counts[2 * half + 1][lane] = rounded.high;
    scales[half][lane] = rounded.scale;
  }
  // Lanes from this one on, which no token has, are multiplied as well: no number of theirs should be a slow one.
  void clear_from(std::size_t lane) {
    for (; lane < lanes; ++lane) {
      for (auto& count : counts) count[lane] = 0;
      for (auto& scale : scales) scale[lane] = 0;
    }
  }
};

// What a format makes of a block: where dot products start, -offset * the sum of a token's codes; or, where weights
// have minimums, what those are multiplied with, scale * that sum.
template <class F, std::size_t lanes>
union Constants {
  static constexpr std::size_t groups = block_columns / F::group;
  static_assert(F::offset == 0 || !F::minimum);
  alignas(64) std::int32_t starts[groups][lanes];
  alignas(64) float products[groups][lanes];

  void find(const TokenBlock<lanes>& block) {
    for (std::size_t g = 0; g < groups; ++g)
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        const std::int32_t count =
            groups == 4 ? block.counts[g][lane] : block.counts[2 * g][lane] + block.counts[2 * g + 1][lane];
        if constexpr (F::minimum)
          products[g][lane] = block.scales[g * 2 / groups][lane] * static_cast<float>(count);
        else
          starts[g][lane] = -F::offset * count;
      }
  }
};

// The dot products of T tokens, each group's by itself. codes[i]: lane r is row r's columns 4 i to 4 i + 3.
template <class F, int T, std::size_t lanes>
[[gnu::always_inline]] inline void multiply_block(const __m512i (&codes)[16], const TokenBlock<lanes>& block,
                                                  const Constants<F, lanes>& constants, std::size_t token,
                                                  __m512i (&dots)[T][block_columns / F::group]) {
  constexpr int groups = block_columns / F::group, steps = 16 / groups;
  unroll<T>(HEARTH_UNROLL(t) {
    unroll<groups>(HEARTH_UNROLL(g) {
      dots[t][g] = F::offset == 0 ? _mm512_setzero_si512() : _mm512_set1_epi32(constants.starts[g][token + t]);
    });
  });
  const std::int8_t* const values = block.values[token];
  unroll<steps>(HEARTH_UNROLL(i) {
    unroll<T>(HEARTH_UNROLL(t) {
      unroll<groups>(HEARTH_UNROLL(g) {
        constexpr int four = g * steps + i;
        Avx512Product::add_dot_of(dots[t][g], codes[four], values + t * block_columns + four * 4);
      });
    });
  });
}

}  // namespace
}  // namespace hearth::kernels
