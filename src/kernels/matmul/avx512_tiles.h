// Products with many tokens, whatever the numbers: panels of 16 rows of weights are unpacked, four at a time and a
// chunk of columns, into the order in which they are multiplied; then tiles of up to 12 tokens by two panels keep their
// 24 sums in registers.
#pragma once

#include "kernels/matmul/avx512.h"
#include "kernels/matmul/fetch.h"
#include "kernels/matmul/int8_rows.h"
#include "kernels/matmul/output.h"
#include "kernels/matmul/unroll.h"
#include "kernels/simd/avx512.h"
#include "kernels/simd/loads.h"

namespace hearth::kernels {
namespace {

constexpr std::size_t panel_rows = 16, panels = 4;
constexpr std::size_t tile_tokens = 12;
constexpr std::size_t panel_apart = 256;  // bytes between panels, which should not meet in the same sets of a cache

template <class T>
T load_as(const std::byte* from) {
  T value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

// Calls task.operator()<count>() for a count of 1 to tile_tokens.
template <int most = tile_tokens, class Task>
void with_tokens(std::size_t count, Task& task) {
  if constexpr (most > 1)
    if (count < most) return with_tokens<most - 1>(count, task);
  task.template operator()<most>();
}

// Calls task.operator()<tokens>(first token) for tiles of nearly equal size.
template <class Task>
void for_tiles(std::size_t tokens, Task task) {
  const std::size_t tiles = (tokens + tile_tokens - 1) / tile_tokens;
  for (std::size_t i = 0; i < tiles; ++i) {
    const std::size_t begin = tokens * i / tiles, end = tokens * (i + 1) / tiles;
    auto one = [&]<int T>() { task.template operator()<T>(begin); };
    with_tokens(end - begin, one);
  }
}

// Picks one byte of each four; the lane's others are zero.
struct Picks {
  alignas(64) std::uint8_t bytes[4][16];
  constexpr Picks() : bytes() {
    for (int column = 0; column < 4; ++column)
      for (int i = 0; i < 16; ++i) bytes[column][i] = static_cast<std::uint8_t>(i % 4 == 0 ? i + column : 0x80);
  }
};
// A column of a panel [columns / 4][16 rows][4 columns] of codes.
inline __m512i codes_of(const std::uint8_t* panel, std::size_t column) {
  static constexpr Picks picks;
  return _mm512_shuffle_epi8(_mm512_load_si512(panel + column / 4 * 64),
                             _mm512_broadcast_i32x4(load16(picks.bytes[column % 4])));
}

// Adds a token's outliers to its products with P panels, whose weights of a column are weights(p, column).
template <int P, class Weights>
[[gnu::always_inline]] inline void add_outliers(const TileRows::List& list, __m512 (&sums)[P], Weights weights) {
  for (const auto* far = list.far; far != list.far + list.count; ++far) {
    const __m512 value = _mm512_set1_ps(far->value);
    unroll<P>(HEARTH_UNROLL(p) { sums[p] = _mm512_fmadd_ps(weights(p, far->column), value, sums[p]); });
  }
}

// Where unpacked weights are: columns [first, first + columns) of rows [row, row + rows).
struct Area {
  std::size_t first, columns, row, rows;
};

// What comes after an area: the next rows of its chunk, or the first of the chunk that follows; after the last, those
// that the piece after this one begins with, if there is one.
inline Fetch next_of(const ProductPiece& piece, const Area& area, std::size_t chunk, std::size_t calls,
                     std::size_t at_once = panels * panel_rows) {
  const std::size_t columns = piece.input->columns, end = area.row + area.rows;
  const bool last = end >= piece.end;
  const bool after = last && area.first + chunk >= columns;
  const std::size_t row = last && !after ? piece.begin : end;
  const std::size_t first = after ? 0 : last ? area.first + chunk : area.first;
  const std::size_t width = columns - first < chunk ? columns - first : chunk, left = after ? at_once : piece.end - row;
  const auto bytes = [&](std::size_t count) { return piece.row_bytes * count / columns; };
  return fetch_rows(piece.weights + row * piece.row_bytes + bytes(first), piece.row_bytes,
                    left < at_once ? left : at_once, bytes(width), calls);
}

// All tokens with the panels of an area, in tiles of up to 12 by 32 rows. `unpacked` has a
// product<T, P>(area, token, panel, sums, next) of T tokens with panels [panel, panel + P), which fetches some of what
// comes next once for each `Panels::stretch` columns.
template <class Panels>
void multiply_in_registers(const Panels& unpacked, const Area& area) {
  const ProductPiece& piece = unpacked.piece;
  const std::size_t tiles = (piece.input->tokens + tile_tokens - 1) / tile_tokens;
  Fetch next = next_of(piece, area, Panels::chunk, (area.columns + Panels::stretch - 1) / Panels::stretch * tiles * 2);
  for_tiles(piece.input->tokens, [&]<int T>(std::size_t token) {
    const auto multiply = [&]<int P>(std::size_t panel) {
      __m512 sums[T][P];
      unpacked.template product<T, P>(area, token, panel, sums, next);
      for (std::size_t t = 0; t < T; ++t)
        for (std::size_t p = panel; p < panel + P; ++p)
          write<Avx512>(piece, token + t, area.row + p * panel_rows, area.rows - p * panel_rows, sums[t][p - panel]);
    };
    std::size_t panel = 0;
    for (; (panel + 1) * panel_rows < area.rows; panel += 2) multiply.template operator()<2>(panel);
    if (panel * panel_rows < area.rows) multiply.template operator()<1>(panel);
  });
}

// Calls begin(first) for each `chunk` of a piece's columns, then each(area) for its rows, `at_once` of them. What
// follows the first chunk is added to it.
template <std::size_t chunk, std::size_t at_once, class Begin, class Each>
void for_areas(ProductPiece& piece, Begin begin, Each each) {
  for (std::size_t first = 0; first < piece.input->columns; first += chunk) {
    const std::size_t left = piece.input->columns - first, columns = left < chunk ? left : chunk;
    begin(first);
    for (std::size_t row = piece.begin; row < piece.end; row += at_once)
      each(Area{first, columns, row, piece.end - row < at_once ? piece.end - row : at_once});
    piece.bias = nullptr;
    piece.accumulate = true;
  }
}

// `unpacked`, of `piece`, holds the unpacked weights, `chunk` columns of them.
template <class Panels>
void many(ProductPiece& piece, const Panels& unpacked,
          void (*unpack)(const Panels& to, const Area& area, std::size_t panel),
          void (*multiply)(const Panels& unpacked, const Area& area) = multiply_in_registers<Panels>) {
  for_areas<Panels::chunk, panels * panel_rows>(
      piece, [](std::size_t) {},
      [&](const Area& area) {
        for (std::size_t panel = 0; panel * panel_rows < area.rows; ++panel) unpack(unpacked, area, panel);
        multiply(unpacked, area);
      });
}

}  // namespace
}  // namespace hearth::kernels
