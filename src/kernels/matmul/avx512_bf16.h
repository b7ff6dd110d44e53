// F16 and BF16 weights with many tokens, by dot products of pairs of bfloat16 numbers, summed in float32.
#pragma once

#include "kernels/matmul/avx512_tiles.h"

namespace hearth::kernels {
namespace {

// Activations as bfloat16: each token a record of whole vectors, zero past the last column.
struct Bf16Rows {
  std::byte* base;
  std::size_t record;
  Bf16Rows(const std::byte* packed, std::size_t columns)
      : base(const_cast<std::byte*>(packed)), record(record_of(columns * 2)) {}
  std::byte* row(std::size_t token) const { return base + token * record; }
};

inline __m512i to_bf16(__m512 first, __m512 second) {
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(second, first));
}

inline void pack_bf16(const float* x, std::size_t columns, std::byte* row) {
  for (std::size_t i = 0; i < columns; i += 32) {
    const std::size_t left = columns - i, low = left < 16 ? left : 16, high = left < 32 ? left - low : 16;
    _mm512_storeu_si512(row + i * 2, to_bf16(Avx512::load_part(x + i, low), Avx512::load_part(x + i + low, high)));
  }
}

// 32 weights, or the first `count` of them.
struct F16Pairs {
  static __m512i load(const std::byte* row, std::size_t i, std::size_t count) {
    const __mmask32 mask = static_cast<__mmask32>((std::uint64_t{1} << count) - 1);
    const __m512i halves = _mm512_maskz_loadu_epi16(mask, row + i * 2);
    return to_bf16(_mm512_cvtph_ps(_mm512_castsi512_si256(halves)),
                   _mm512_cvtph_ps(_mm512_extracti64x4_epi64(halves, 1)));
  }
};
struct Bf16Pairs {
  static __m512i load(const std::byte* row, std::size_t i, std::size_t count) {
    return _mm512_maskz_loadu_epi16(static_cast<__mmask32>((std::uint64_t{1} << count) - 1), row + i * 2);
  }
};

struct Bf16Panels {
  static constexpr std::size_t stretch = 64, chunk = 512;  // so that the panels stay in the second cache
  static constexpr std::size_t panel_bytes = chunk * panel_rows * 2 + panel_apart;
  static constexpr std::size_t scratch_bytes = panels * panel_bytes;

  const ProductPiece& piece;
  const Bf16Rows in;
  // [panels][columns / 2][16 rows][2 columns]
  std::byte* at(std::size_t panel) const { return piece.scratch + panel * panel_bytes; }

  explicit Bf16Panels(const ProductPiece& p)
      : piece(p), in(p.input->packed[static_cast<std::size_t>(Form::bf16)], p.input->columns) {}

  // sums += products of 16 pairs; assembly for the reason given at Avx512Product::add_dot.
  static void add_dot(__m512& sums, __m512i weights, __m512i pair) {
#if defined(__AVX512BF16__)
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(sums) : "v"(weights), "v"(pair));
#else
    sums = _mm512_dpbf16_ps(sums, reinterpret_cast<__m512bh>(weights), reinterpret_cast<__m512bh>(pair));  // emulated
#endif
  }

  template <int T, int P>
  [[gnu::noinline]] void product(const Area& area, std::size_t token, std::size_t panel, __m512 (&out)[T][P],
                                 Fetch& next) const {
    __m512 sums[T][P];
    unroll<T>(HEARTH_UNROLL(t) { unroll<P>(HEARTH_UNROLL(p) { sums[t][p] = _mm512_setzero_ps(); }); });
    const std::byte* weights = at(panel);
    const std::byte* x = in.row(token) + area.first * 2;
    const std::size_t stride = in.record;
    for (std::size_t i = 0; i < area.columns; i += 2, weights += 64, x += 4) {
      if (i % stretch == 0) next.some();
      __m512i w[P];
      unroll<P>(HEARTH_UNROLL(p) { w[p] = _mm512_load_si512(weights + p * panel_bytes); });
      unroll<T>(HEARTH_UNROLL(t) {
        int word;
        __builtin_memcpy(&word, x + t * stride, sizeof word);
        const __m512i pair = _mm512_set1_epi32(word);
        unroll<P>(HEARTH_UNROLL(p) { add_dot(sums[t][p], w[p], pair); });
      });
    }
    unroll<T>(HEARTH_UNROLL(t) { unroll<P>(HEARTH_UNROLL(p) { out[t][p] = sums[t][p]; }); });
  }
};

template <class F>
void unpack_pairs(const Bf16Panels& to, const Area& area, std::size_t panel) {
  const std::size_t row = area.row + panel * panel_rows, left = area.rows - panel * panel_rows;
  for (std::size_t i = 0; i < area.columns; i += 32) {
    const std::size_t count = area.columns - i < 32 ? area.columns - i : 32;
    __m512 v[panel_rows];
    for (std::size_t r = 0; r < panel_rows; ++r)  // a missing row is like the first
      v[r] = _mm512_castsi512_ps(
          F::load(to.piece.weights + (row + (r < left ? r : 0)) * to.piece.row_bytes, area.first + i, count));
    Avx512::transpose(v);
    for (std::size_t k = 0; k < 16; ++k) _mm512_store_ps(to.at(panel) + i * 32 + k * 64, v[k]);
  }
}

}  // namespace
}  // namespace hearth::kernels
