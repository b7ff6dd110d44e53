// Float weights with many tokens, in float32 throughout.
#pragma once

#include "kernels/matmul/avx512_tiles.h"

namespace hearth::kernels {
namespace {

struct FloatPanels {
  static constexpr std::size_t chunk = 512;
  static constexpr std::size_t scratch_bytes = panels * panel_rows * chunk * sizeof(float);

  const ProductPiece& piece;
  // [panels][columns][16 rows]
  float* at(std::size_t panel) const { return reinterpret_cast<float*>(piece.scratch) + panel * chunk * panel_rows; }

  explicit FloatPanels(const ProductPiece& p) : piece(p) {}

  template <int T, int P>
  [[gnu::noinline]] void product(const Area& area, std::size_t token, std::size_t panel, __m512 (&out)[T][P]) const {
    const std::size_t stride = piece.input->stride;
    const float* const x = piece.input->x + token * stride + area.first;
    const float* const weights = at(panel);
    __m512 sums[T][P];
    unroll<T>(HEARTH_UNROLL(t) { unroll<P>(HEARTH_UNROLL(p) { sums[t][p] = _mm512_setzero_ps(); }); });
    for (std::size_t k = 0; k < area.columns; ++k) {
      __m512 w[P];
      unroll<P>(HEARTH_UNROLL(p) { w[p] = _mm512_load_ps(weights + (p * chunk + k) * panel_rows); });
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

}  // namespace
}  // namespace hearth::kernels
