// Products with a few tokens: each row of weights is read once, as it stands, and multiplied with all of them. I is how
// bytes are multiplied: Avx2Product, VnniProduct (vnni_few.h) or Avx512FewProduct.
#pragma once

#include "kernels/matmul/avx2_formats.h"
#include "kernels/matmul/few.h"

namespace hearth::kernels {
namespace {

// Codes p and p + 4 of the eight times 32 of a group.
template <class F>
Pair pair_of_group(const std::byte* group, std::size_t p) {
  const auto* const blocks = reinterpret_cast<const typename F::Block*>(group);
  if constexpr (F::Block::weights == 32)
    return F::pair(blocks[p], blocks[p + 4]);
  else
    return F::pair(group, p);
}

// Sums of eight groups of 32 columns, less what the codes' offset makes of their activations, four times whose sums of
// 16 columns are `words`.
template <class F>
[[gnu::always_inline]] inline __m256i less_offset(__m256i sums, __m256i words) {
  static_assert(F::offset % 4 == 0);
  if constexpr (F::offset == 0) return sums;
  return _mm256_sub_epi32(sums, _mm256_madd_epi16(words, _mm256_set1_epi16(F::offset / 4)));
}

// `sums` are those of eight groups, whose activations have the scales `by` and add up to `activations`.
template <class F>
[[gnu::always_inline]] inline void add_scaled(__m256& total, __m256i sums, __m256 by, __m256 scale, __m256 minimum,
                                              __m256 activations) {
  __m256 products = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), by);
  if constexpr (F::group == 16 && F::offset != 0)
    products = _mm256_fnmadd_ps(_mm256_set1_ps(F::offset), activations, products);
  total = _mm256_fmadd_ps(products, scale, total);
  if constexpr (F::minimum) total = _mm256_fmadd_ps(minimum, activations, total);
}

// A row's 256 columns times T tokens: dot products are added up lane by lane until a lane is a group's, so that one
// multiplication serves the scales of eight. Every join keeps 128 columns in each half: codes and activations lie so
// (Pair, Place).
template <class I, class F, int T>
[[gnu::always_inline]] inline void add_group(const std::byte* from, const Int8Rows& in, std::size_t token,
                                             std::size_t group, __m256 (&total)[T]) {
  constexpr int largest = F::most * 127;
  const auto scales = I::template scales<F, T>(reinterpret_cast<const typename F::Block*>(from));
  __m256i half[T], quarter[T];
  unroll<4>(HEARTH_UNROLL(p) {
    const Pair codes = pair_of_group<F>(from, p);
    unroll<T>(HEARTH_UNROLL(t) {
      const std::int8_t* const x = in.values(token + t) + group * group_columns + p * 64;
      __m256i sums;
      if constexpr (F::group == 16)
        sums =
            I::template join<4 * largest>(I::template dot<F>(codes.first, x), I::template dot<F>(codes.second, x + 32));
      else
        sums = I::template dot<F>(codes.first, codes.second, x);
      if constexpr (p % 2 == 0) {
        quarter[t] = sums;
        return;
      }
      sums = I::template join<8 * largest>(quarter[t], sums);
      const __m256 by = _mm256_loadu_ps(in.scales(token + t) + group * 8);
      if constexpr (F::group == 16) {  // groups 0 to 3 and 8 to 11, then the others
        constexpr int side = p == 1 ? 0x20 : 0x31;
        add_scaled<F>(total[t], sums, p == 1 ? _mm256_unpacklo_ps(by, by) : _mm256_unpackhi_ps(by, by),
                      _mm256_permute2f128_ps(scales.scale[0], scales.scale[1], side),
                      _mm256_permute2f128_ps(scales.minimum[0], scales.minimum[1], side),
                      _mm256_loadu_ps(in.sums<16>(token + t) + group * 16 + p / 2 * 8));
      } else if constexpr (p == 1) {
        half[t] = sums;
      } else {
        const __m256i words = load32(in.words(token + t) + group * 16);
        add_scaled<F>(total[t], less_offset<F>(I::template join<16 * largest>(half[t], sums), words), by,
                      scales.scale[0], scales.minimum[0], _mm256_loadu_ps(in.sums<32>(token + t) + group * 8));
      }
    });
  });
}

// Formats of groups of 16 whose sums fit in words, so that scales are multiplied as integers.
template <class F>
constexpr bool is_narrow = requires(const typename F::Block* block) {
  F::words(block);
};

// The same for these: all sixteen sums are words of one vector, in the order of columns.
template <class I, class F, int T>
[[gnu::always_inline]] inline void add_narrow(const std::byte* from, const Int8Rows& in, std::size_t token,
                                              std::size_t group, __m256 (&total)[T]) {
  constexpr int largest = F::most * 127 * F::times;
  static_assert(16 * largest <= 32767 && (F::offset == 0 || F::offset * F::times == 4));
  const WordScales scales = F::words(reinterpret_cast<const typename F::Block*>(from));
  __m256i half[T], quarter[T];
  unroll<4>(HEARTH_UNROLL(p) {
    const Pair codes = pair_of_group<F>(from, p);
    unroll<T>(HEARTH_UNROLL(t) {
      const std::int8_t* const x = in.values(token + t) + group * group_columns + p * 64;
      constexpr int times = p % 2 == 0 ? F::times : 1;
      const __m256i first = I::template dot<F>(codes.first, x), second = I::template dot<F>(codes.second, x + 32);
      const __m256i sums = I::template join<4 * largest, times>(first, second);
      if constexpr (p % 2 == 0) {
        quarter[t] = sums;
      } else if constexpr (p == 1) {
        half[t] = I::template join<8 * largest>(quarter[t], sums);
      } else {
        __m256i words = _mm256_packs_epi32(half[t], I::template join<8 * largest>(quarter[t], sums));
        const __m256i activations =
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in.words(token + t) + group * 16));
        if constexpr (F::offset != 0) words = _mm256_sub_epi16(words, activations);
        __m256 products = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_madd_epi16(words, scales.scale)), scales.unit);
        if constexpr (F::minimum)
          products = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(_mm256_madd_epi16(activations, scales.minimum)),
                                      scales.minimum_unit, products);
        total[t] = _mm256_fmadd_ps(products, _mm256_loadu_ps(in.scales(token + t) + group * 8), total[t]);
      }
    });
  });
}

// What is left of four rows after their last whole group: two blocks of each at a time, which share a vector's eight
// scales as a group's blocks do. A row's sum is one lane.
template <class I, class F, int T>
[[gnu::always_inline]] inline void add_rests(const std::byte* const (&rows)[4], std::size_t first, std::size_t columns,
                                             const Int8Rows& in, std::size_t token, __m128 (&sums)[T]) {
  using Block = typename F::Block;
  constexpr int largest = F::most * 127;
  const auto one_each = [](const float* low, const float* high) {
    return _mm256_set_m128(_mm_broadcast_ss(high), _mm_broadcast_ss(low));
  };
  const auto two_words = [](const std::int16_t* at) {
    int both;
    __builtin_memcpy(&both, at, sizeof both);
    return _mm_set1_epi32(both);
  };
  __m256 total[T];
  unroll<T>(HEARTH_UNROLL(t) { total[t] = _mm256_setzero_ps(); });
  for (std::size_t group = first / 32; group < columns / 32; group += 2) {
    // One without a neighbour is both, of 16 columns each.
    const std::size_t next = group + 1 < columns / 32 ? group + 1 : group;
    const auto at = [&](int row, std::size_t block) -> const Block& {
      return reinterpret_cast<const Block*>(rows[row])[block];
    };
    __m256i dots[4][T];
    unroll<4>(HEARTH_UNROLL(row) {
      const auto each = [&](auto dot) __attribute__((always_inline)) {
        unroll<T>(HEARTH_UNROLL(t) { dots[row][t] = dot(in.values(token + t) + group * 32); });
      };
      if (next == group) {
        const __m256i codes = F::codes(rows[row], group);
        each([=](const std::int8_t* x) { return I::template dot<F>(codes, x); });
      } else {
        const Pair codes = F::pair(at(row, group), at(row, next));
        each([=](const std::int8_t* x) { return I::template dot<F>(codes.first, codes.second, x); });
      }
    });
    const auto scales = F::scales_of([&](int i) -> const Block& { return at(i % 4, i < 4 ? group : next); });
    unroll<T>(HEARTH_UNROLL(t) {
      const float* const by = in.scales(token + t);
      const float* const activations = in.sums<32>(token + t);  // zero past the last, as words are
      const std::int16_t* const words = in.words(token + t) + group * 2;
      const __m256i sum = I::template join<16 * largest>(I::template join<8 * largest>(dots[0][t], dots[1][t]),
                                                         I::template join<8 * largest>(dots[2][t], dots[3][t]));
      add_scaled<F>(total[t], less_offset<F>(sum, _mm256_set_m128i(two_words(words + 2), two_words(words))),
                    one_each(by + group, by + next), scales.scale[0], scales.minimum[0],
                    one_each(activations + group, activations + group + 1));
    });
  }
  unroll<T>(
      HEARTH_UNROLL(t) { sums[t] = _mm_add_ps(_mm256_castps256_ps128(total[t]), _mm256_extractf128_ps(total[t], 1)); });
}

// Some rows times T tokens; each product's sums are left in the lanes of a vector.
template <class I, class F, int T>
[[gnu::noinline]] void bytes_rows(const std::byte* row, std::size_t row_bytes, std::size_t rows, std::size_t columns,
                                  const Int8Rows& rows_of_tokens, std::size_t token, const Partial<I>& to) {
  constexpr std::size_t packed_group = group_columns / F::Block::weights * sizeof(typename F::Block);
  const Int8Rows in = rows_of_tokens;  // nothing that is written can be it
  const std::size_t groups = columns / group_columns;
  __m128 rests[T];
  unroll<T>(HEARTH_UNROLL(t) { rests[t] = _mm_setzero_ps(); });
  for (std::size_t i = 0; i < rows; ++i, row += row_bytes) {
    if constexpr (F::Block::weights == 32)
      if (i % 4 == 0 && groups * group_columns < columns) {
        const auto at = [&](std::size_t k) { return i + k < rows ? row + k * row_bytes : row; };
        add_rests<I, F, T>({at(0), at(1), at(2), at(3)}, groups * group_columns, columns, in, token, rests);
      }
    const __m128i mine = _mm_cvtsi32_si128(static_cast<int>(i % 4));
    __m256 total[T];
    unroll<T>(HEARTH_UNROLL(t) {
      total[t] = _mm256_zextps128_ps256(_mm_move_ss(_mm_setzero_ps(), _mm_permutevar_ps(rests[t], mine)));
    });
    for (std::size_t group = 0; group < groups; ++group) {
      const std::byte* const from = row + group * packed_group;
      for (std::size_t line = 0; line < packed_group; line += 64) fetch_ahead(from + line);
      if constexpr (is_narrow<F>)
        add_narrow<I, F, T>(from, in, token, group, total);
      else
        add_group<I, F, T>(from, in, token, group, total);
    }
    for (std::size_t line = groups * packed_group; line < row_bytes; line += 64) fetch_ahead(row + line);
    unroll<T>(HEARTH_UNROLL(t) { _mm256_storeu_ps(to.at(token + t, i), total[t]); });
  }
}

template <class I, class F>
void few_bytes(const ProductPiece& piece) {
  const std::size_t columns = piece.input->columns, tokens = piece.input->tokens;
  const Int8Rows in(piece.input->packed[static_cast<std::size_t>(Form::int8)], columns);
  const Partial<I> partial{reinterpret_cast<float*>(piece.scratch)};
  for (std::size_t row = piece.begin; row < piece.end; row += few_rows) {
    const std::size_t rows = piece.end - row < few_rows ? piece.end - row : few_rows;
    for (std::size_t token = 0; token < tokens; token += few_tile)
      with_count(tokens - token, [&]<int T>() {
        bytes_rows<I, F, T>(piece.weights + row * piece.row_bytes, piece.row_bytes, rows, columns, in, token, partial);
      });
    write_partial<I>(piece, partial, row, rows);
  }
}

}  // namespace
}  // namespace hearth::kernels
