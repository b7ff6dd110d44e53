// Panels that hold a format's own codes, with a scale for each group of columns and, if there is one, the minimum: for
// some tokens, where more unpacking would cost as much as multiplying; and for short prompts and what is measured,
// where weights should stay what they are and outliers are added in float32.
#pragma once

#include "kernels/matmul/avx512_rows.h"

namespace hearth::kernels {
namespace {

// Of groups of 32 or 16 columns. Form: int8_tiles, if groups are of 32, or fine_tiles.
template <std::size_t group, Form form>
struct CodePanels {
  static constexpr int most_tokens = 6;  // three sums for each row: of dot products, of a scale, of all
  static constexpr std::size_t stretch = group, chunk = 2048;  // so that the panels stay in the second cache
  static_assert(chunk == TileRows::chunk);
  static constexpr std::size_t panel_bytes = chunk * panel_rows + panel_apart, groups = chunk / group;
  static constexpr std::size_t of_scale = 64 / group;  // groups that share a scale of activations
  struct Memory {
    alignas(64) std::uint8_t codes[panels][panel_bytes];  // [columns / 4][16 rows][4 columns]
    ScalesOfRows<groups> of_rows[panels];
    OwnScales<groups> own;
  };
  static constexpr std::size_t scratch_bytes = sizeof(Memory);

  const ProductPiece& piece;
  const TileRows in;
  Memory& memory;
  int offset;  // of the codes; none where there are minimums
  bool minimum;

  CodePanels(const ProductPiece& p, int codes_offset, bool has_minimum)
      : piece(p),
        in(p.input->packed[static_cast<std::size_t>(form)], p.input->columns, form),
        memory(*reinterpret_cast<Memory*>(p.scratch)),
        offset(codes_offset),
        minimum(has_minimum) {}

  template <int T, int P>
  [[gnu::noinline]] void product(const Area& area, std::size_t token, std::size_t panel, __m512 (&out)[T][P],
                                 Fetch& next) const {
    __m512 sums[T][P];
    unroll<T>(HEARTH_UNROLL(t) { unroll<P>(HEARTH_UNROLL(p) { sums[t][p] = _mm512_setzero_ps(); }); });
    constexpr bool halves = group == 16;
    const std::size_t stride = in.record, all = round_up(area.columns, 64) / group;
    const std::byte *const first = in.base + token * stride, *values = first + area.first;
    const std::byte* const scales = first + in.scales_at + area.first / 16;  // one for 64 columns
    const std::size_t before = area.first / group * 4;
    const std::byte* const counts = first + (halves ? in.counts16_at : in.counts_at) + before;        // sums of codes
    const std::byte* const products = first + (halves ? in.products16_at : in.products_at) + before;  // scale * that
    const std::uint8_t* from = memory.codes[panel];
    const __m512i below = _mm512_set1_epi32(-offset & 0xffff);  // counts of a group are words
    for (std::size_t at = 0; at < all;) {
      __m512 part[T][P];
      unroll<T>(HEARTH_UNROLL(t) { unroll<P>(HEARTH_UNROLL(p) { part[t][p] = _mm512_setzero_ps(); }); });
      for (const std::size_t end = at + of_scale; at < end; ++at) {
        next.some();
        __m512i dots[T][P];
        unroll<T>(HEARTH_UNROLL(t) {
          const __m512i count = _mm512_set1_epi32(load_as<int>(counts + at * 4 + t * stride));
          unroll<P>(HEARTH_UNROLL(p) { dots[t][p] = _mm512_madd_epi16(count, below); });
        });
        add_dots<T, P>(from, values, stride, dots);
        from += group * panel_rows;
        values += group;
        unroll<P>(HEARTH_UNROLL(p) {
          const __m512 scale = _mm512_load_ps(memory.of_rows[panel + p].scales[at]);
          unroll<T>(
              HEARTH_UNROLL(t) { part[t][p] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[t][p]), scale, part[t][p]); });
        });
      }
      unroll<T>(HEARTH_UNROLL(t) {
        const __m512 by = _mm512_set1_ps(load_as<float>(scales + (at / of_scale - 1) * 4 + t * stride));
        unroll<P>(HEARTH_UNROLL(p) { sums[t][p] = _mm512_fmadd_ps(part[t][p], by, sums[t][p]); });
      });
    }
    for (std::size_t at = 0; minimum && at < all; ++at)
      unroll<P>(HEARTH_UNROLL(p) {
        const __m512 least = _mm512_load_ps(memory.of_rows[panel + p].minimums[at]);
        unroll<T>(HEARTH_UNROLL(t) {
          const __m512 by = _mm512_set1_ps(load_as<float>(products + at * 4 + t * stride));
          sums[t][p] = _mm512_fmadd_ps(least, by, sums[t][p]);
        });
      });
    unroll<T>(HEARTH_UNROLL(t) { unroll<P>(HEARTH_UNROLL(p) { out[t][p] = sums[t][p]; }); });
    for (std::size_t t = 0; t < T; ++t) add_far<P>(in.list(token + t, area.first), panel, out[t]);
  }

  // Adds the products of a group's codes with T tokens' bytes.
  template <int T, int P>
  [[gnu::always_inline]] static inline void add_dots(const std::uint8_t* from, const std::byte* values,
                                                     std::size_t stride, __m512i (&dots)[T][P]) {
    for (std::size_t step = 0; step < group / 4; ++step, from += 64, values += 4) {
      __m512i w[P];
      unroll<P>(HEARTH_UNROLL(p) { w[p] = _mm512_load_si512(from + p * panel_bytes); });
      unroll<T>(HEARTH_UNROLL(t) {
        const __m512i four = _mm512_set1_epi32(load_as<int>(values + t * stride));
        unroll<P>(HEARTH_UNROLL(p) { Avx512Product::add_dot(dots[t][p], w[p], four); });
      });
    }
  }

  template <int P>
  [[gnu::noinline]] void add_far(const TileRows::List& list, std::size_t panel, __m512 (&sums)[P]) const {
    add_outliers<P>(list, sums, [&](int p, std::size_t column) {
      const std::size_t at = column / group;
      const __m512i code = _mm512_sub_epi32(codes_of(memory.codes[panel + p], column), _mm512_set1_epi32(offset));
      const __m512 least = minimum ? _mm512_load_ps(memory.of_rows[panel + p].minimums[at]) : _mm512_setzero_ps();
      return _mm512_fmadd_ps(_mm512_cvtepi32_ps(code), _mm512_load_ps(memory.of_rows[panel + p].scales[at]), least);
    });
  }
};

template <class F, class Panels>
void unpack_own_codes(const Panels& to, const Area& area, std::size_t panel) {
  const CodeRows<F> rows(to.piece, area, panel);
  rows.read_scales(to.memory.own, to.memory.of_rows[panel]);
  for (std::size_t step = 0; step * 64 < area.columns; ++step)
    rows.read_codes(step, [&](std::size_t i, __m512i codes) {
      _mm512_store_si512(to.memory.codes[panel] + step * 1024 + i * 64, codes);
    });
}

}  // namespace
}  // namespace hearth::kernels
