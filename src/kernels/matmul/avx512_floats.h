// Products in float32 throughout: float weights with many tokens, and those of any format that Care::everyone asks for.
#pragma once

#include "kernels/matmul/avx512_rows.h"

namespace hearth::kernels {
namespace {

struct FloatPanels {
  static constexpr std::size_t stretch = 32, chunk = 512;
  static constexpr std::size_t panel_floats = chunk * panel_rows + panel_apart / sizeof(float);
  static constexpr std::size_t scratch_bytes = panels * panel_floats * sizeof(float);

  const ProductPiece& piece;
  // [panels][columns][16 rows]
  float* at(std::size_t panel) const { return reinterpret_cast<float*>(piece.scratch) + panel * panel_floats; }

  explicit FloatPanels(const ProductPiece& p) : piece(p) {}

  template <int T, int P>
  [[gnu::noinline]] void product(const Area& area, std::size_t token, std::size_t panel, __m512 (&out)[T][P],
                                 Fetch& next) const {
    const std::size_t stride = piece.input->stride;
    const float* const x = piece.input->x + token * stride + area.first;
    const float* const weights = at(panel);
    __m512 sums[T][P];
    unroll<T>(HEARTH_UNROLL(t) { unroll<P>(HEARTH_UNROLL(p) { sums[t][p] = _mm512_setzero_ps(); }); });
    for (std::size_t k = 0; k < area.columns; ++k) {
      if (k % stretch == 0) next.some();
      __m512 w[P];
      unroll<P>(HEARTH_UNROLL(p) { w[p] = _mm512_load_ps(weights + p * panel_floats + k * panel_rows); });
      unroll<T>(HEARTH_UNROLL(t) {
        const __m512 one = _mm512_set1_ps(x[t * stride + k]);
        unroll<P>(HEARTH_UNROLL(p) { sums[t][p] = _mm512_fmadd_ps(one, w[p], sums[t][p]); });
      });
    }
    unroll<T>(HEARTH_UNROLL(t) { unroll<P>(HEARTH_UNROLL(p) { out[t][p] = sums[t][p]; }); });
  }
};

template <class F>
void unpack_floats(const FloatPanels& to, const Area& area, std::size_t panel) {
  const std::size_t row = area.row + panel * panel_rows, left = area.rows - panel * panel_rows;
  for (std::size_t i = 0; i < area.columns; i += 16) {
    const std::size_t count = area.columns - i < 16 ? area.columns - i : 16;
    __m512 v[panel_rows];
    for (std::size_t r = 0; r < panel_rows; ++r)  // a missing row is like the first
      v[r] = F::load_part(to.piece.weights + (row + (r < left ? r : 0)) * to.piece.row_bytes, area.first + i, count);
    Avx512::transpose(v);
    for (std::size_t k = 0; k < count; ++k) _mm512_store_ps(to.at(panel) + (i + k) * panel_rows, v[k]);
  }
}

// A format of codes, decoded by its definition.
template <class F>
void unpack_codes(const FloatPanels& to, const Area& area, std::size_t panel) {
  OwnRows<FloatPanels::chunk> own;
  const CodeRows<F, FloatPanels::chunk> rows(to.piece, area, panel, own);
  ScalesOfRows<FloatPanels::chunk / F::group> of_rows;
  rows.read_scales(of_rows);
  alignas(64) std::uint8_t codes[panel_rows][64];
  for (std::size_t first = 0; first < area.columns; first += 64) {
    const bool whole = first + 64 <= area.columns;
    for (std::size_t r = 0; r < panel_rows; ++r)
      _mm512_store_si512(codes[r], codes_at<F>(rows.rows[r], first / 64, whole));
    for (std::size_t i = 0; i < 64 && first + i < area.columns; i += 16) {
      __m512 v[panel_rows];
      for (std::size_t r = 0; r < panel_rows; ++r)
        v[r] = _mm512_cvtepi32_ps(
            _mm512_sub_epi32(_mm512_cvtepu8_epi32(load16(codes[r] + i)), _mm512_set1_epi32(F::offset)));
      Avx512::transpose(v);
      const std::size_t group = (first + i) / F::group;
      for (std::size_t k = 0; k < 16; ++k) {
        v[k] = _mm512_mul_ps(v[k], _mm512_load_ps(of_rows.scales[group]));
        if constexpr (F::minimum) v[k] = _mm512_add_ps(v[k], _mm512_load_ps(of_rows.minimums[group]));
        _mm512_store_ps(to.at(panel) + (first + i + k) * panel_rows, v[k]);
      }
    }
  }
}

}  // namespace
}  // namespace hearth::kernels
