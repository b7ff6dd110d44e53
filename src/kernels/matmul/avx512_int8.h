// Products with many tokens: panels of 16 rows are unpacked once, into the order in which the dot-product instruction
// eats them, and multiplied with every token. Integer formats become bytes on one scale for each row and 256 columns.
#pragma once

#include "kernels/matmul/avx512.h"
#include "kernels/matmul/avx512_tiles.h"

namespace hearth::kernels {
namespace {

constexpr std::size_t group_bytes = panel_rows * group_columns;

// What turns a format's codes into codes of 256 columns on one scale: code * factor + constant, in 1/256.
struct Rescale {
  std::uint16_t factor[16], constant[16];
};

// For the groups of one row's 256 columns, whose scales for 64 each are returned. A code's range decides its group's
// magnitude, not the codes that occur.
template <class F>
__m128 find_rescale(const float* scales, const float* minimums, std::size_t count, Rescale& out) {
  const __mmask16 part = Avx512::first(count);
  const __m512 scale = _mm512_maskz_loadu_ps(part, scales);
  __m512 low = _mm512_mul_ps(scale, _mm512_set1_ps(-static_cast<float>(F::offset)));
  if constexpr (F::minimum) low = _mm512_maskz_loadu_ps(part, minimums);
  const __m512 high = _mm512_fmadd_ps(scale, _mm512_set1_ps(static_cast<float>(F::most)), low);
  __m512 most = _mm512_max_ps(_mm512_abs_ps(low), _mm512_abs_ps(high));
  most = _mm512_max_ps(most, _mm512_permute_ps(most, 0xb1));
  if constexpr (F::group == 16) most = _mm512_max_ps(most, _mm512_permute_ps(most, 0x4e));
  const __mmask16 some = _mm512_cmp_ps_mask(most, _mm512_set1_ps(1e-30f), _CMP_GT_OQ);
  const __m512 near = _mm512_maskz_rcp14_ps(some, most);
  const __m512 inverse =
      _mm512_mul_ps(_mm512_set1_ps(127), _mm512_mul_ps(near, _mm512_fnmadd_ps(most, near, _mm512_set1_ps(2))));
  constexpr bool bytes = F::most > 63;
  // Bytes are multiplied as signed numbers, by a factor in 1/32768 that is at most 1.
  const __m512 factor = _mm512_min_ps(_mm512_mul_ps(_mm512_mul_ps(scale, inverse), _mm512_set1_ps(bytes ? 32768 : 256)),
                                      _mm512_set1_ps(32767));
  // A byte of 128 is zero. Halves go up in one group and down in the next: all up, they would add up.
  const __m512 zero_byte =
      _mm512_mask_blend_ps(0xaaaa, _mm512_set1_ps(128 * 256 + 128), _mm512_set1_ps(128 * 256 + 127));
  const __m512 constant =
      bytes ? zero_byte : _mm512_fmadd_ps(_mm512_mul_ps(low, inverse), _mm512_set1_ps(256), zero_byte);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out.factor), _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(factor)));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out.constant), _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(constant)));
  const __m512i firsts = F::group == 16 ? _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
                                        : _mm512_setr_epi32(0, 2, 4, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  return _mm512_castps512_ps128(
      _mm512_permutexvar_ps(firsts, _mm512_maskz_mul_ps(some, most, _mm512_set1_ps(1.0f / 127))));
}

// The factors of 64 columns, each over the bytes of its group.
template <std::size_t group>
__m512i spread_words(const std::uint16_t* words) {
  if constexpr (group == 32) {
    const __m512i pair = _mm512_set1_epi32(static_cast<int>(load_word(words)));
    return _mm512_permutexvar_epi16(by_halves(0, 0x0001000100010001), pair);
  } else {
    const __m512i four = _mm512_broadcastq_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(words)));
    return _mm512_permutexvar_epi16(by_quarters(0, 0x0001000100010001, 0x0002000200020002, 0x0003000300030003), four);
  }
}

template <class F>
__m512i rescale(__m512i codes, const Rescale& by, std::size_t step) {
  constexpr std::size_t groups = 64 / F::group;
  const __m512i factor = spread_words<F::group>(by.factor + step * groups);
  const __m512i constant = spread_words<F::group>(by.constant + step * groups);
  __m512i even, odd;
  if constexpr (F::most > 63) {
    codes = _mm512_xor_si512(codes, _mm512_set1_epi8(-128));
    even = _mm512_mulhrs_epi16(_mm512_slli_epi16(codes, 8), factor);
    odd = _mm512_mulhrs_epi16(_mm512_and_si512(codes, _mm512_set1_epi16(-256)), factor);
  } else {
    even = _mm512_mullo_epi16(_mm512_and_si512(codes, _mm512_set1_epi16(255)), factor);
    odd = _mm512_mullo_epi16(_mm512_srli_epi16(codes, 8), factor);
  }
  even = _mm512_srli_epi16(_mm512_add_epi16(even, constant), 8);
  return _mm512_mask_blend_epi8(0xaaaaaaaaaaaaaaaa, even, _mm512_add_epi16(odd, constant));
}

struct Int8Panels {
  static constexpr std::size_t stretch = 64, chunk = 4096;  // so that the panels stay in the second cache
  static constexpr std::size_t panel_bytes = chunk * panel_rows + panel_apart;
  struct Memory {
    // bytes [columns / 4][16 rows][4 columns], code = weight / scale + 128
    alignas(64) std::uint8_t codes[panels][panel_bytes];
    alignas(64) float scales[panels][chunk / 64][panel_rows];
    // of the panel that is being unpacked: its own groups' scales and minimums, and how to bring them to one scale
    float own_scales[panel_rows][chunk / 16 + 16], minimums[panel_rows][chunk / 16 + 16];
    Rescale rescales[panel_rows];
  };
  static constexpr std::size_t scratch_bytes = sizeof(Memory);

  const ProductPiece& piece;
  const TileRows in;
  Memory& memory;

  explicit Int8Panels(const ProductPiece& p)
      : piece(p),
        in(p.input->packed[static_cast<std::size_t>(Form::int8_tiles)], p.input->columns, Form::int8_tiles),
        memory(*reinterpret_cast<Memory*>(p.scratch)) {}

  template <int T, int P>
  [[gnu::noinline]] void product(const Area& area, std::size_t token, std::size_t panel, __m512 (&out)[T][P],
                                 Fetch& next) const {
    __m512 sums[T][P];
    unroll<T>(HEARTH_UNROLL(t) { unroll<P>(HEARTH_UNROLL(p) { sums[t][p] = _mm512_setzero_ps(); }); });
    const std::size_t stride = in.record, parts = round_up(area.columns, 64) / 64;
    const std::byte *const first = in.base + token * stride, *values = first + area.first;
    const std::byte *const scales = first + in.scales_at + area.first / 16, *const starts = scales + in.starts_after;
    const std::uint8_t* from = memory.codes[panel];
    for (std::size_t part = 0; part < parts; ++part) {
      next.some();
      __m512i dots[T][P];
      unroll<T>(HEARTH_UNROLL(t) {
        const __m512i start = _mm512_set1_epi32(load_as<int>(starts + part * 4 + t * stride));
        unroll<P>(HEARTH_UNROLL(p) { dots[t][p] = start; });
      });
      for (int step = 0; step < 16; ++step) {
        __m512i w[P];
        unroll<P>(HEARTH_UNROLL(p) { w[p] = _mm512_load_si512(from + p * panel_bytes); });
        unroll<T>(HEARTH_UNROLL(t) {
          const __m512i four = _mm512_set1_epi32(load_as<int>(values + t * stride));
          unroll<P>(HEARTH_UNROLL(p) { Avx512Product::add_dot(dots[t][p], w[p], four); });
        });
        from += 64;
        values += 4;
      }
      unroll<P>(HEARTH_UNROLL(p) {
        const __m512 of_row = _mm512_load_ps(memory.scales[panel + p][part]);
        unroll<T>(HEARTH_UNROLL(t) {
          const __m512 scale = _mm512_mul_ps(of_row, _mm512_set1_ps(load_as<float>(scales + part * 4 + t * stride)));
          sums[t][p] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[t][p]), scale, sums[t][p]);
        });
      });
    }
    unroll<T>(HEARTH_UNROLL(t) { unroll<P>(HEARTH_UNROLL(p) { out[t][p] = sums[t][p]; }); });
    for (std::size_t t = 0; t < T; ++t)
      for (std::size_t column = 0; column < area.columns; column += TileRows::chunk)
        add_far<P>(in.list(token + t, area.first + column), column, panel, out[t]);
  }

  // Adds a list of outliers, whose columns count from `first`, times their columns of weights.
  template <int P>
  [[gnu::noinline]] void add_far(const TileRows::List& list, std::size_t first, std::size_t panel,
                                 __m512 (&sums)[P]) const {
    add_outliers<P>(list, sums, [&](int p, std::size_t column) {
      const std::size_t at = first + column;
      const __m512i code = _mm512_sub_epi32(codes_of(memory.codes[panel + p], at), _mm512_set1_epi32(128));
      return _mm512_mul_ps(_mm512_cvtepi32_ps(code), _mm512_load_ps(memory.scales[panel + p][at / 64]));
    });
  }
};

// One group of 256 columns, or of the last ones. A missing row is like the first.
template <class F>
void unpack_group(Int8Panels::Memory& to, const std::byte* weights, std::size_t row_bytes, std::size_t rows,
                  std::size_t group, std::size_t columns, std::size_t panel) {
  constexpr std::size_t scales = group_columns / F::group;
  __m128 parts[panel_rows];
  for (std::size_t row = 0; row < panel_rows; ++row)
    parts[row] = row < rows ? find_rescale<F>(to.own_scales[row] + group * scales, to.minimums[row] + group * scales,
                                              columns / F::group, to.rescales[row])
                            : parts[0];
  for (std::size_t part = 0; part < 4; ++part)
    for (std::size_t row = 0; row < panel_rows; ++row) to.scales[panel][group * 4 + part][row] = parts[row][part];
  for (std::size_t step = 0; step * 64 < columns; ++step) {
    __m512 v[panel_rows];
    for (std::size_t r = 0; r < panel_rows; ++r) {
      const std::size_t row = r < rows ? r : 0, at = group * 4 + step;
      const __m512i codes = codes_at<F>(weights + row * row_bytes, at, (step + 1) * 64 <= columns);
      v[r] = _mm512_castsi512_ps(rescale<F>(codes, to.rescales[row], step));
    }
    Avx512::transpose(v);
    std::uint8_t* const out = to.codes[panel] + group * group_bytes + step * 1024;
    for (std::size_t i = 0; i < 16; ++i) _mm512_store_ps(out + i * 64, v[i]);
  }
}

template <class F>
void unpack_int8(const Int8Panels& to, const Area& area, std::size_t panel) {
  const std::size_t left = area.rows - panel * panel_rows, rows = left < panel_rows ? left : panel_rows;
  const std::size_t row_bytes = to.piece.row_bytes;
  const std::byte* const weights = to.piece.weights + (area.row + panel * panel_rows) * row_bytes +
                                   area.first / F::Block::weights * sizeof(typename F::Block);
  for (std::size_t row = 0; row < rows; ++row)
    F::expand(reinterpret_cast<const typename F::Block*>(weights + row * row_bytes), area.columns / F::Block::weights,
              to.memory.own_scales[row], to.memory.minimums[row]);
  for (std::size_t group = 0; group * group_columns < area.columns; ++group) {
    const std::size_t columns = area.columns - group * group_columns;
    unpack_group<F>(to.memory, weights, row_bytes, rows, group, columns < group_columns ? columns : group_columns,
                    panel);
  }
}

}  // namespace
}  // namespace hearth::kernels
