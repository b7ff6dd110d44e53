// Sixteen rows of quantised weights, read side by side: codes and scales become lanes of vectors, a row a lane.
#pragma once

#include "kernels/matmul/avx512_tiles.h"

namespace hearth::kernels {
namespace {

// Of a chunk's groups of columns.
template <std::size_t groups>
struct ScalesOfRows {
  alignas(64) float scales[groups][panel_rows], minimums[groups][panel_rows];
};
// Copies of rows, where a panel has fewer than sixteen.
template <std::size_t columns>
struct OwnRows {
  std::byte copies[panel_rows][columns / 32 * sizeof(tensor::Q8_0)];  // the most of any format
};

template <class F, std::size_t chunk>
struct CodeRows {
  using Block = typename F::Block;
  const std::size_t columns;
  SixteenRows rows;

  // Of an area's panel. A missing row is like the first.
  CodeRows(const ProductPiece& piece, const Area& area, std::size_t panel, OwnRows<chunk>& own)
      : columns(area.columns),
        rows{piece.weights + (area.row + panel * panel_rows) * piece.row_bytes +
                 area.first / Block::weights * sizeof(Block),
             piece.row_bytes} {
    const std::size_t left = area.rows - panel * panel_rows;
    if (left >= panel_rows) return;
    for (std::size_t r = 0; r < panel_rows; ++r)
      __builtin_memcpy(own.copies[r], rows[r < left ? r : 0], columns / Block::weights * sizeof(Block));
    rows = {own.copies[0], sizeof own.copies[0]};
  }

  // Up to the next multiple of 64 columns, zero where there is nothing. Minimums of formats that have some.
  template <std::size_t groups>
  void read_scales(ScalesOfRows<groups>& to) const {
    const std::size_t count = columns / F::group, padded = round_up(columns, 64) / F::group;
    if constexpr (F::Block::weights == 32) {
      std::size_t block = 0;
      if constexpr (heads_are_close<Block>)
        for (; block + 4 <= count; block += 4) {
          __m512i heads[4];
          turn_heads<Block>(rows.from(block * sizeof(Block)), heads);
          unroll<4>(HEARTH_UNROLL(i) {
            _mm512_store_ps(to.scales[block + i], F::scales_of(heads[i]));
            if constexpr (F::minimum) _mm512_store_ps(to.minimums[block + i], F::minimums_of(heads[i]));
          });
        }
      for (; block < count; ++block) {
        __m512i heads[4];
        turn_pieces(rows.from(block * sizeof(Block)), heads);
        _mm512_store_ps(to.scales[block], F::scales_of(heads[0]));
        if constexpr (F::minimum) _mm512_store_ps(to.minimums[block], F::minimums_of(heads[0]));
      }
    } else {
      constexpr std::size_t of_block = Block::weights / F::group;
      for (std::size_t i = 0; i < columns / Block::weights; ++i)
        F::read_scales(rows.from(i * sizeof(Block)), to.scales + i * of_block, to.minimums + i * of_block);
    }
    for (std::size_t group = count; group < padded; ++group) {
      _mm512_store_ps(to.scales[group], _mm512_setzero_ps());
      if constexpr (F::minimum) _mm512_store_ps(to.minimums[group], _mm512_setzero_ps());
    }
  }

  // Calls use(i, codes) for 64 columns, or for the last 32 and perhaps 32 of anything: lane r is row r's codes of
  // columns 4 i to 4 i + 3.
  template <class Use>
  [[gnu::always_inline]] void read_codes(std::size_t step, Use use) const {
    (step + 1) * 64 <= columns ? read_codes<true>(step, use) : read_codes<false>(step, use);
  }
  template <bool whole, class Use>
  [[gnu::always_inline]] void read_codes(std::size_t step, Use use) const {
    if constexpr (turns<F>) {
      F::turn(
          rows, step, whole, [&](std::size_t i, __m512i codes) __attribute__((always_inline)) {
            if constexpr (has_table<F>) codes = F::table.look_up(codes);
            use(i, codes);
          });
    } else {
      __m512 v[panel_rows];
      for (std::size_t r = 0; r < panel_rows; ++r) v[r] = _mm512_castsi512_ps(codes_at<F>(rows[r], step, whole));
      Avx512::transpose(v);
      for (std::size_t i = 0; i < 16; ++i) use(i, _mm512_castps_si512(v[i]));
    }
  }
};

}  // namespace
}  // namespace hearth::kernels
