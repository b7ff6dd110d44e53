// Products with many tokens: panels of 16 rows are unpacked once, into the order in which the dot-product instruction
// eats them, and multiplied with every token. Integer formats become bytes on one scale for each row and 64 columns.
#pragma once

#include "kernels/matmul/avx512_rows.h"

namespace hearth::kernels {
namespace {

// What turns sixteen rows' codes of a group into codes of 64 columns on one scale: code * factor + constant, in 1/256;
// both twice in a row's lane.
struct Rescale {
  __m512i factor, constant;

  static __m512i words(__m512 values) {
    const __m512i rounded = _mm512_cvtps_epi32(values);
    return _mm512_mask_blend_epi16(0xaaaaaaaa, rounded, _mm512_slli_epi32(rounded, 16));
  }
};

// For groups with these scales and minimums. Their scale for 64 columns is returned: a code's range decides its group's
// magnitude, not the codes that occur.
template <class F>
__m512 find_rescale(const float (*scales)[panel_rows], const float (*minimums)[panel_rows],
                    Rescale (&out)[64 / F::group]) {
  constexpr std::size_t groups = 64 / F::group;
  __m512 scale[groups], low[groups], most = _mm512_setzero_ps();
  for (std::size_t i = 0; i < groups; ++i) {
    scale[i] = _mm512_load_ps(scales[i]);
    low[i] = F::minimum ? _mm512_load_ps(minimums[i]) : _mm512_mul_ps(scale[i], _mm512_set1_ps(-F::offset));
    const __m512 high = _mm512_fmadd_ps(scale[i], _mm512_set1_ps(F::most), low[i]);
    most = larger_magnitude(most, larger_magnitude(_mm512_abs_ps(low[i]), _mm512_abs_ps(high)));
  }
  const __mmask16 some = _mm512_cmp_ps_mask(most, _mm512_set1_ps(1e-30f), _CMP_NLE_UQ);  // NaN is
  const __m512 inverse = _mm512_maskz_div_ps(some, _mm512_set1_ps(127), most);
  // Bytes are multiplied as signed numbers, by a factor in 1/32768 that is at most 1.
  constexpr bool bytes = F::most > 63;
  for (std::size_t i = 0; i < groups; ++i) {
    const __m512 factor = _mm512_mul_ps(_mm512_mul_ps(scale[i], inverse), _mm512_set1_ps(bytes ? 32768 : 256));
    // A byte of 128 is zero. Halves go up in one group and down in the next: all up, they would add up.
    const __m512 zero_byte = _mm512_set1_ps(i % 2 == 0 ? 128 * 256 + 128 : 128 * 256 + 127);
    out[i].factor = Rescale::words(_mm512_min_ps(factor, _mm512_set1_ps(32767)));
    out[i].constant = Rescale::words(
        bytes ? zero_byte : _mm512_fmadd_ps(_mm512_mul_ps(low[i], inverse), _mm512_set1_ps(256), zero_byte));
  }
  return _mm512_maskz_mul_ps(some, most, _mm512_set1_ps(1.0f / 127));
}

template <class F>
__m512i rescale(__m512i codes, const Rescale& by) {
  __m512i even, odd;
  if constexpr (F::most > 63) {
    codes = _mm512_xor_si512(codes, _mm512_set1_epi8(-128));
    even = _mm512_mulhrs_epi16(_mm512_slli_epi16(codes, 8), by.factor);
    odd = _mm512_mulhrs_epi16(_mm512_and_si512(codes, _mm512_set1_epi16(-256)), by.factor);
  } else {
    even = _mm512_mullo_epi16(_mm512_and_si512(codes, _mm512_set1_epi16(255)), by.factor);
    odd = _mm512_mullo_epi16(_mm512_srli_epi16(codes, 8), by.factor);
  }
  even = _mm512_srli_epi16(_mm512_add_epi16(even, by.constant), 8);
  return _mm512_mask_blend_epi8(0xaaaaaaaaaaaaaaaa, even, _mm512_add_epi16(odd, by.constant));
}

struct Int8Panels {
  static constexpr std::size_t stretch = 64, chunk = 4096;  // so that the panels stay in the second cache
  static constexpr std::size_t panel_bytes = chunk * panel_rows + panel_apart;
  struct Memory {
    // bytes [columns / 4][16 rows][4 columns], code = weight / scale + 128
    alignas(64) std::uint8_t codes[panels][panel_bytes];
    alignas(64) float scales[panels][chunk / 64][panel_rows];
    // of the panel that is being unpacked
    ScalesOfRows<chunk / 16> of_rows;
    OwnRows<chunk> own;
  };
  static constexpr std::size_t scratch_bytes = sizeof(Memory);

  const ProductPiece& piece;
  const TileRows in;
  Memory& memory;

  explicit Int8Panels(const ProductPiece& p)
      : piece(p),
        in(p.input->packed[static_cast<std::size_t>(Form::int8_tiles)], p.input->columns),
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

template <class F>
void unpack_int8(const Int8Panels& to, const Area& area, std::size_t panel) {
  constexpr std::size_t groups = 64 / F::group;
  const CodeRows<F, Int8Panels::chunk> rows(to.piece, area, panel, to.memory.own);
  rows.read_scales(to.memory.of_rows);
  for (std::size_t step = 0; step * 64 < area.columns; ++step) {
    Rescale by[groups];
    _mm512_store_ps(to.memory.scales[panel][step], find_rescale<F>(to.memory.of_rows.scales + step * groups,
                                                                   to.memory.of_rows.minimums + step * groups, by));
    rows.read_codes(step, [&](std::size_t i, __m512i codes) {
      _mm512_store_si512(to.memory.codes[panel] + step * 1024 + i * 64, rescale<F>(codes, by[i * groups / 16]));
    });
  }
}

}  // namespace
}  // namespace hearth::kernels
