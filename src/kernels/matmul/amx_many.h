// Products with many tokens in tile registers (Intel AMX): panels of bfloat16 pairs, as avx512_bf16.h lays them out,
// are what one tile takes, sixteen rows by 32 columns; sixteen tokens of activations are another, and sums of both, in
// float32, stay in a third for all columns of a chunk. Formats of codes become bfloat16 when they are unpacked.
#pragma once

#include "kernels/matmul/amx_tiles.h"
#include "kernels/matmul/avx512_bf16.h"
#include "kernels/matmul/avx512_rows.h"

namespace hearth::kernels {
namespace {

// Activations as bfloat16 in the order in which tiles take them: for each chunk of columns
// [tokens / 16][columns / 32][16 tokens][32 columns], zero past the last column. What stands past the last token counts
// for nothing. A chunk is in one piece, so that it does not meet itself in the same sets of a cache.
struct AmxRows {
  std::byte* base;
  std::size_t columns, blocks;
  AmxRows(const std::byte* packed, std::size_t all_columns, std::size_t tokens)
      : base(const_cast<std::byte*>(packed)),
        columns(round_up(all_columns, 32)),
        blocks(round_up(tokens, amx_tokens) / amx_tokens) {}
  std::size_t bytes() const { return blocks * columns / 32 * amx_tile_bytes; }
  // Of 16 tokens in the chunk that begins with a column.
  std::size_t block(std::size_t chunk) const {
    return (columns - chunk < Bf16Panels::chunk ? columns - chunk : Bf16Panels::chunk) / 32 * amx_tile_bytes;
  }
  std::byte* at(std::size_t token, std::size_t column) const {
    const std::size_t chunk = column / Bf16Panels::chunk * Bf16Panels::chunk;
    return base + chunk / 32 * blocks * amx_tile_bytes + token / amx_tokens * block(chunk) +
           (column - chunk) / 32 * amx_tile_bytes + token % amx_tokens * amx_tile_width;
  }
};

inline void pack_for_tiles(const float* x, std::size_t columns, const AmxRows& rows, std::size_t token) {
  for (std::size_t i = 0; i < columns; i += 32)
    pack_bf16(x + i, columns - i < 32 ? columns - i : 32, rows.at(token, i));
}

// Rows whose sums wait, for all tokens, while chunk after chunk of columns is added: outputs themselves are too far
// apart for that, so that a cache would lose them.
constexpr std::size_t amx_rows = 256;

struct AmxPanels : Bf16Panels {
  static constexpr std::size_t tile_floats = amx_tokens * panel_rows, tiles_of_tokens = amx_rows / panel_rows;
  struct alignas(64) Memory {  // behind it sums, [tokens / 16][rows / 16][16 tokens][16 rows]
    std::byte panels[Bf16Panels::scratch_bytes];
    // of the panel that is being unpacked: scales and minimums, then for each group what a code's number between 1 and
    // 2 is multiplied with, and what is added
    ScalesOfRows<chunk / 16> of_rows;
    OwnRows<chunk> own;
  };
  static constexpr std::size_t scratch_bytes(std::size_t tokens) {
    return sizeof(Memory) + round_up(tokens, amx_tokens) / amx_tokens * tiles_of_tokens * tile_floats * sizeof(float);
  }
  const AmxRows rows;
  Memory& memory;

  explicit AmxPanels(const ProductPiece& p)
      : Bf16Panels(p),
        rows(p.input->packed[static_cast<std::size_t>(Form::bf16)], p.input->columns, p.input->tokens),
        memory(*reinterpret_cast<Memory*>(p.scratch)) {}

  // Where sums of 16 tokens by 16 rows are: the next such rows and the next tokens' are `next_rows` and `next_tokens`
  // further.
  struct Place {
    float* sums;
    std::size_t next_rows, next_tokens, stride;
    float* of(std::size_t t, std::size_t p) const { return sums + t * next_tokens + p * next_rows; }
  };
  Place waiting(std::size_t token, std::size_t row) const {
    const std::size_t tile = token / amx_tokens * tiles_of_tokens + (row - piece.begin) / panel_rows;
    return {reinterpret_cast<float*>(&memory + 1) + tile * tile_floats, tile_floats, tiles_of_tokens * tile_floats,
            panel_rows};
  }
  Place output(std::size_t token, std::size_t row) const {
    return {piece.output + token * piece.output_stride + row, panel_rows, amx_tokens * piece.output_stride,
            piece.output_stride};
  }
  // Whether so many tokens and rows may be summed where they belong.
  bool whole(std::size_t token, std::size_t tokens, std::size_t row, std::size_t count) const {
    return !piece.bias && token + tokens <= piece.input->tokens && row + count <= piece.end;
  }

  // Of T times 16 tokens and P panels.
  template <int T, int P>
  void product(const Area& area, std::size_t token, std::size_t panel, Fetch& next) const {
    const std::size_t row = area.row + panel * panel_rows;
    const bool direct = whole(token, T * amx_tokens, row, P * panel_rows);
    const bool first = area.first == 0, last = area.first + area.columns == piece.input->columns;
    if (first && piece.accumulate && !direct) start<T, P>(token, row);
    if (!first || piece.accumulate) {
      const Place from = first && direct ? output(token, row) : waiting(token, row);
      each_tile<T, P>(
          [&]<int tile>(std::size_t t, std::size_t p) { tile_load<tile>(from.of(t, p), from.stride * sizeof(float)); });
    } else {
      each_tile<T, P>([]<int tile>(std::size_t, std::size_t) { tile_zero<tile>(); });
    }
    const std::byte *a = rows.at(token, area.first), *b = at(panel);
    const std::size_t block = rows.block(area.first);
    for (std::size_t i = 0; i < area.columns; i += 32, a += amx_tile_bytes, b += amx_tile_bytes) {
      next.some();
      tile_load<6>(b, amx_tile_width);
      tile_load<4>(a, amx_tile_width);
      tile_multiply<0, 4, 6>();
      if constexpr (P > 1) {
        tile_load<7>(b + panel_bytes, amx_tile_width);
        tile_multiply<1, 4, 7>();
      }
      if constexpr (T > 1) {
        tile_load<5>(a + block, amx_tile_width);
        tile_multiply<2, 5, 6>();
        if constexpr (P > 1) tile_multiply<3, 5, 7>();
      }
    }
    const Place to = direct && last ? output(token, row) : waiting(token, row);
    each_tile<T, P>(
        [&]<int tile>(std::size_t t, std::size_t p) { tile_store<tile>(to.of(t, p), to.stride * sizeof(float)); });
    if (!direct && last) finish<T, P>(token, row);
  }

  // Calls task.operator()<tile>(t, p) with each tile of sums.
  template <int T, int P, class Task>
  static void each_tile(Task task) {
    unroll<T>(HEARTH_UNROLL(t) { unroll<P>(HEARTH_UNROLL(p) { task.template operator()<t * 2 + p>(t, p); }); });
  }

  // What is there already, to where sums wait, so that sums are the same whether they wait or not.
  template <int T, int P>
  void start(std::size_t token, std::size_t row) const {
    each_vector<T, P>(token, row, [&](std::size_t t, std::size_t first, std::size_t count, float* sums) {
      _mm512_store_ps(sums, Avx512::load_part(piece.output + t * piece.output_stride + first, count));
    });
  }
  template <int T, int P>
  void finish(std::size_t token, std::size_t row) const {
    ProductPiece to = piece;
    to.accumulate = false;
    each_vector<T, P>(token, row, [&](std::size_t t, std::size_t first, std::size_t count, const float* sums) {
      write<Avx512>(to, t, first, count, _mm512_load_ps(sums));
    });
  }

 private:
  // Calls task(token, row, how many rows, their sums) for what is there of T times 16 tokens by P panels.
  template <int T, int P, class Task>
  void each_vector(std::size_t token, std::size_t row, Task task) const {
    const Place place = waiting(token, row);
    for (std::size_t t = 0; t < T * amx_tokens && token + t < piece.input->tokens; ++t)
      for (std::size_t p = 0; p < P; ++p) {
        const std::size_t left = piece.end - row - p * panel_rows;
        task(token + t, row + p * panel_rows, left < panel_rows ? left : panel_rows,
             place.of(t / amx_tokens, p) + t % amx_tokens * panel_rows);
      }
  }
};

inline void multiply_in_tiles(const AmxPanels& unpacked, const Area& area) {
  const std::size_t tokens = unpacked.piece.input->tokens;
  const std::size_t calls = round_up(area.columns, 32) / 32 * ((tokens + 2 * amx_tokens - 1) / (2 * amx_tokens)) *
                            ((area.rows + 2 * panel_rows - 1) / (2 * panel_rows));
  Fetch next = next_of(unpacked.piece, area, AmxPanels::chunk, calls);
  for (std::size_t token = 0; token < tokens; token += 2 * amx_tokens) {
    const bool two = token + amx_tokens < tokens;
    std::size_t panel = 0;
    for (; (panel + 1) * panel_rows < area.rows; panel += 2)
      two ? unpacked.product<2, 2>(area, token, panel, next) : unpacked.product<1, 2>(area, token, panel, next);
    if (panel * panel_rows < area.rows)
      two ? unpacked.product<2, 1>(area, token, panel, next) : unpacked.product<1, 1>(area, token, panel, next);
  }
}

inline void many_in_tiles(const ProductPiece& piece,
                          void (*unpack)(const AmxPanels& to, const Area& area, std::size_t panel)) {
  const AmxTiles tiles;
  for (std::size_t row = piece.begin; row < piece.end; row += amx_rows) {
    ProductPiece part = piece;
    part.begin = row;
    if (piece.end - row > amx_rows) part.end = row + amx_rows;
    ProductPiece rest = part;
    const AmxPanels unpacked(part);
    many(rest, unpacked, unpack, multiply_in_tiles);
  }
}

template <class F>
void unpack_codes_to_pairs(const AmxPanels& to, const Area& area, std::size_t panel) {
  const CodeRows<F, AmxPanels::chunk> rows(to.piece, area, panel, to.memory.own);
  auto& factors = to.memory.of_rows.scales;  // Clang 14 lets no lambda have what a binding names
  auto& addends = to.memory.of_rows.minimums;
  rows.read_scales(to.memory.of_rows);
  for (std::size_t group = 0; group < area.columns / F::group; ++group) {
    const OfNumber<F> of(_mm512_load_ps(factors[group]),
                         F::minimum ? _mm512_load_ps(addends[group]) : _mm512_setzero_ps());
    _mm512_store_ps(factors[group], of.factor);
    _mm512_store_ps(addends[group], of.addend);
  }
  for (std::size_t step = 0; step * 64 < area.columns; ++step)
    rows.read_codes(step, [&](std::size_t i, __m512i codes) {
      const std::size_t group = (step * 64 + i * 4) / F::group;
      __m512 w[4];
      to_weights<OfNumber<F>::eight_bits>(codes, _mm512_load_ps(factors[group]), _mm512_load_ps(addends[group]), w);
      std::byte* const out = to.at(panel) + step * 2048 + i * 128;
      for (int k = 0; k < 2; ++k) _mm512_store_si512(out + k * 64, join_pairs(w[2 * k], w[2 * k + 1]));
    });
}

template <class F>
void unpack_floats_to_pairs(const AmxPanels& to, const Area& area, std::size_t panel) {
  unpack_pairs<F>(to, area, panel);
}

}  // namespace
}  // namespace hearth::kernels
