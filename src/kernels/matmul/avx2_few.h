// Products with a few tokens: each row of weights is read once, as it stands, and multiplied with all of them.
#pragma once

#include "kernels/matmul/avx2_formats.h"
#include "kernels/matmul/few.h"

namespace hearth::kernels {
namespace {

// A row's 256 columns times T tokens: dot products are added up lane by lane until a lane is a group's, so that one
// multiplication serves the scales of eight. Every join keeps 128 columns in each half: codes and activations lie so
// (Pair, Place).
template <class F, int T>
[[gnu::always_inline]] inline void add_group(const std::byte* from, const Int8Rows& in, std::size_t token,
                                             std::size_t group, __m256 (&total)[T]) {
  using I = Avx2Product;
  constexpr int largest = F::most * 127;
  const __m256i ones = _mm256_set1_epi16(1);
  const auto scales = F::scales(reinterpret_cast<const typename F::Block*>(from));
  // `sums` are those of eight groups, whose activations have the scales `by`.
  const auto add = [&](int t, __m256i sums, __m256 by, __m256 scale, __m256 minimum, const float* activations)
      __attribute__((always_inline)) {
    __m256 products = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), by);
    if constexpr (F::offset != 0)
      products = _mm256_fnmadd_ps(_mm256_set1_ps(F::offset), _mm256_loadu_ps(activations), products);
    total[t] = _mm256_fmadd_ps(products, scale, total[t]);
    if constexpr (F::minimum) total[t] = _mm256_fmadd_ps(minimum, _mm256_loadu_ps(activations), total[t]);
  };
  __m256i half[T], quarter[T];
  unroll<4>(HEARTH_UNROLL(p) {
    const Pair codes = F::pair(from, p);
    unroll<T>(HEARTH_UNROLL(t) {
      const std::int8_t* const x = in.values(token + t) + group * group_columns + p * 64;
      const __m256i a = I::dot_words<F>(codes.first, x), b = I::dot_words<F>(codes.second, x + 32);
      __m256i sums;
      if constexpr (F::group == 16)
        sums = I::join<4 * largest>(_mm256_madd_epi16(a, ones), _mm256_madd_epi16(b, ones));
      else if constexpr (4 * largest <= 32767)
        sums = _mm256_madd_epi16(_mm256_add_epi16(a, b), ones);
      else
        sums = _mm256_add_epi32(_mm256_madd_epi16(a, ones), _mm256_madd_epi16(b, ones));
      if constexpr (p % 2 == 0) {
        quarter[t] = sums;
        return;
      }
      sums = I::join<8 * largest>(quarter[t], sums);
      const __m256 by = _mm256_loadu_ps(in.scales(token + t) + group * 8);
      if constexpr (F::group == 16) {  // groups 0 to 3 and 8 to 11, then the others
        constexpr int side = p == 1 ? 0x20 : 0x31;
        add(t, sums, p == 1 ? _mm256_unpacklo_ps(by, by) : _mm256_unpackhi_ps(by, by),
            _mm256_permute2f128_ps(scales.scale[0], scales.scale[1], side),
            _mm256_permute2f128_ps(scales.minimum[0], scales.minimum[1], side),
            in.sums<16>(token + t) + group * 16 + p / 2 * 8);
      } else if constexpr (p == 1) {
        half[t] = sums;
      } else {
        add(t, I::join<16 * largest>(half[t], sums), by, scales.scale[0], scales.minimum[0],
            in.sums<32>(token + t) + group * 8);
      }
    });
  });
}

// What is left of a row after its last whole group: blocks of 32 one by one.
template <class F, int T>
void add_rest(const std::byte* row, std::size_t first, std::size_t columns, const Int8Rows& in, std::size_t token,
              __m256 (&total)[T]) {
  const std::byte* const from = row + first / F::Block::weights * sizeof(typename F::Block);
  float scales[8], minimums[8];
  expand<F>(reinterpret_cast<const typename F::Block*>(from), (columns - first) / 32, scales, minimums);
  for (std::size_t i = 0; i < (columns - first) / 32; ++i) {
    const __m256i codes = F::codes(from, i);
    const float constant = F::minimum ? minimums[i] : -static_cast<float>(F::offset) * scales[i];
    for (int t = 0; t < T; ++t) {
      const std::size_t group = first / 32 + i;
      const __m256i words = Avx2Product::dot_words<F>(codes, in.values(token + t) + group * 32);
      const __m256 sums = _mm256_cvtepi32_ps(_mm256_madd_epi16(words, _mm256_set1_epi16(1)));
      total[t] = _mm256_fmadd_ps(sums, _mm256_set1_ps(scales[i] * in.scales(token + t)[group]), total[t]);
      if constexpr (F::minimum || F::offset != 0)
        total[t] =
            _mm256_add_ps(total[t], _mm256_zextps128_ps256(_mm_set_ss(constant * in.sums<32>(token + t)[group])));
    }
  }
}

template <class F, int T>
[[gnu::noinline]] void bytes_row(const std::byte* row, std::size_t columns, const Int8Rows& in, std::size_t token,
                                 float* sums, std::size_t sums_stride) {
  constexpr std::size_t packed_group = group_columns / F::Block::weights * sizeof(typename F::Block);
  constexpr std::size_t ahead = 8192;
  __m256 total[T];
  unroll<T>(HEARTH_UNROLL(t) { total[t] = _mm256_setzero_ps(); });
  const std::size_t groups = columns / group_columns;
  for (std::size_t group = 0; group < groups; ++group) {
    const std::byte* const from = row + group * packed_group;
    for (std::size_t line = 0; line < packed_group; line += 64) Avx2Product::prefetch(from + line + ahead);
    add_group<F, T>(from, in, token, group, total);
  }
  if constexpr (F::Block::weights == 32)
    if (groups * group_columns < columns) add_rest<F, T>(row, groups * group_columns, columns, in, token, total);
  for (int t = 0; t < T; ++t) _mm256_storeu_ps(sums + static_cast<std::size_t>(t) * sums_stride, total[t]);
}

template <class F>
void few_bytes(const ProductPiece& piece) {
  const std::size_t columns = piece.input->columns, tokens = piece.input->tokens;
  const Int8Rows in(piece.input->packed[static_cast<std::size_t>(Form::int8)], columns);
  const Partial<Avx2Product> partial{reinterpret_cast<float*>(piece.scratch)};
  for (std::size_t row = piece.begin; row < piece.end; row += few_rows) {
    const std::size_t rows = piece.end - row < few_rows ? piece.end - row : few_rows;
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t token = 0; token < tokens; token += few_tile) {
        with_count(tokens - token, [&]<int T>() {
          bytes_row<F, T>(piece.weights + (row + i) * piece.row_bytes, columns, in, token, partial.at(token, i),
                          few_rows * Avx2Product::lanes);
        });
      }
    write_partial<Avx2Product>(piece, partial, row, rows);
  }
}

}  // namespace
}  // namespace hearth::kernels
