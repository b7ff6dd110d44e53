// Some dozens of tokens in tile registers: rows of weights are a tile's first factor as they stand, made bfloat16 right
// before they are multiplied; tokens are the second, side by side, for whom packing has turned them. Sums of up to four
// tiles stay in registers for all columns.
#pragma once

#include "kernels/matmul/amx_tiles.h"
#include "kernels/matmul/avx512_bf16.h"
#include "kernels/matmul/avx512_rows.h"

namespace hearth::kernels {
namespace {

// Of 64 words every second one, from the first or from the one after it.
template <int from>
__m512i words_of(__m512i low, __m512i high) {
  alignas(64) static constexpr auto places = [] {
    struct {
      std::uint16_t of[32];
    } p{};
    for (int i = 0; i < 32; ++i) p.of[i] = static_cast<std::uint16_t>(2 * i + from);
    return p;
  }();
  return _mm512_permutex2var_epi16(low, _mm512_load_si512(places.of), high);
}

// Activations as second factors. Tiles are of 16 tokens by half of 64 columns, the even ones, then the odd ones:
// [halves][tokens / 16][16 pairs of columns][16 tokens][2 columns]; zero past the last column. What stands past the
// last token counts for nothing.
struct TurnedRows {
  std::byte* base;
  std::size_t blocks, halves;
  TurnedRows(const std::byte* packed, std::size_t columns, std::size_t tokens)
      : base(const_cast<std::byte*>(packed)),
        blocks(round_up(tokens, amx_tokens) / amx_tokens),
        halves(round_up(columns, 64) / 32) {}
  std::size_t bytes() const { return halves * blocks * amx_tile_bytes; }
  std::byte* tile(std::size_t block, std::size_t half) const { return base + (half * blocks + block) * amx_tile_bytes; }
};

// Sixteen pairs of columns of four tokens to where they are side by side.
inline void store_turned(const __m512i (&tokens)[4], std::byte* to) {
  const __m512i a = _mm512_unpacklo_epi32(tokens[0], tokens[1]), b = _mm512_unpackhi_epi32(tokens[0], tokens[1]);
  const __m512i c = _mm512_unpacklo_epi32(tokens[2], tokens[3]), d = _mm512_unpackhi_epi32(tokens[2], tokens[3]);
  const __m512i rows[4] = {_mm512_unpacklo_epi64(a, c), _mm512_unpackhi_epi64(a, c), _mm512_unpacklo_epi64(b, d),
                           _mm512_unpackhi_epi64(b, d)};
  unroll<4>(HEARTH_UNROLL(row) {
    unroll<4>(HEARTH_UNROLL(quarter) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + (quarter * 4 + row) * amx_tile_width),
                       _mm512_extracti32x4_epi32(rows[row], quarter));
    });
  });
}

// Up to four tokens, of which the first is a multiple of four.
inline void pack_turned(const Activations& input, std::size_t token, std::size_t end, const TurnedRows& rows) {
  const std::size_t count = end - token < 4 ? end - token : 4;
  const std::size_t block = token / amx_tokens, at = token % amx_tokens * 4;
  for (std::size_t column = 0; column < input.columns; column += 64) {
    __m512i even[4], odd[4];
    for (std::size_t t = 0; t < 4; ++t) {
      const float* const x = input.x + (t < count ? token + t : token) * input.stride;
      const auto load = [&](std::size_t i) {
        const std::size_t left = t >= count || i >= input.columns ? 0 : input.columns - i;
        return Avx512::load_part(x + (left == 0 ? 0 : i), left < 16 ? left : 16);
      };
      const __m512i low = to_bf16(load(column), load(column + 16)),
                    high = to_bf16(load(column + 32), load(column + 48));
      even[t] = words_of<0>(low, high);
      odd[t] = words_of<1>(low, high);
    }
    store_turned(even, rows.tile(block, column / 32) + at);
    store_turned(odd, rows.tile(block, column / 32 + 1) + at);
  }
}

// How many values a code of a format may have.
template <class F>
constexpr int code_values = has_table<F> ? 16 : F::most + 1;
// Whether 32 words hold what all codes of 64 columns may become.
template <class F>
constexpr bool looks_up = code_values<F>* static_cast<int>(64 / F::group) <= 32;

// The next sixteen rows, which lie in one piece: fetched in order, about a line whenever 64 columns of a row are
// unpacked. A Fetch, which counts rows and lines, makes 16 sequences a tenth slower.
struct FetchPanel {
  const std::byte* at;
  std::size_t share;
  FetchPanel(const ProductPiece& piece, std::size_t row)
      : at(piece.weights + (row + panel_rows > piece.end ? piece.begin : row) * piece.row_bytes),
        share(row + panel_rows > piece.end ? 0 : piece.row_bytes / (round_up(piece.input->columns, 64) / 64)) {}
  void some() {
    _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T1);
    at += share;
  }
};

// A chunk of sixteen rows of weights, 64 columns at a time, as first factors.
template <class F>
struct SomeRows {
  using Block = typename F::Block;
  static constexpr std::size_t chunk = 2048, groups = chunk / F::group, of_step = 64 / F::group;
  using Tiles = std::byte[2][amx_tile_bytes];  // the even columns, then the odd ones
  struct Memory {
    ScalesOfRows<groups> of_rows;  // as they are read
    OwnRows<chunk> own;
    // By rows; or what a code's number is multiplied with, and what is added.
    alignas(64) float scales[panel_rows][groups + 16], minimums[panel_rows][groups + 16];
  };

  const CodeRows<F, chunk> rows;
  Memory& memory;

  SomeRows(const ProductPiece& piece, Memory& own, const Area& area) : rows(piece, area, 0, own.own), memory(own) {
    rows.read_scales(memory.of_rows);
    for (std::size_t first = 0; first < round_up(area.columns, 64) / F::group; first += 16) {
      __m512 scales[16], minimums[16];
      unroll<16>(HEARTH_UNROLL(i) {
        scales[i] = _mm512_load_ps(memory.of_rows.scales[first + i]);
        minimums[i] = F::minimum ? _mm512_load_ps(memory.of_rows.minimums[first + i]) : _mm512_setzero_ps();
        if constexpr (!looks_up<F>) {
          const OfNumber<F> of(scales[i], minimums[i]);
          scales[i] = of.factor;
          minimums[i] = of.addend;
        }
      });
      Avx512::transpose(scales);
      Avx512::transpose(minimums);
      unroll<16>(HEARTH_UNROLL(r) {
        _mm512_store_ps(memory.scales[r] + first, scales[r]);
        _mm512_store_ps(memory.minimums[r] + first, minimums[r]);
      });
    }
  }

  // Columns [64 * step, 64 * step + 64) of the chunk.
  [[gnu::noinline]] void unpack(std::size_t step, Tiles& to, FetchPanel& next) const {
    (step + 1) * 64 <= rows.columns ? unpack_rows<true>(step, to, next) : unpack_rows<false>(step, to, next);
  }

 private:
  struct Columns {
    __m512i even, odd;
  };
  template <bool whole>
  [[gnu::always_inline]] inline void unpack_rows(std::size_t step, Tiles& to, FetchPanel& fetch) const {
    FetchPanel next = fetch;
#pragma GCC unroll 4
    for (std::size_t r = 0; r < panel_rows; ++r) {
      next.some();
      const Columns of = [&] {
        if constexpr (looks_up<F>) return look_up<whole>(r, step);
        return compute<whole>(r, step);
      }();
      _mm512_store_si512(to[0] + r * amx_tile_width, of.even);
      _mm512_store_si512(to[1] + r * amx_tile_width, of.odd);
    }
    fetch = next;
  }
  // of[0] in the first lanes, as many as a group has, of[1] in the next.
  template <int lanes_of_group>
  static __m512 spread(const float* of) {
    alignas(64) static constexpr auto places = [] {
      struct {
        std::int32_t of[16];
      } p{};
      for (int i = 0; i < 16; ++i) p.of[i] = i / lanes_of_group;
      return p;
    }();
    return _mm512_permutevar_ps(_mm512_broadcast_f32x4(_mm_loadu_ps(of)), _mm512_load_si512(places.of));
  }

  // What codes stand for, in the order of a table's words, and where in a table each word's group begins.
  struct Constants {
    float value[32];
    std::uint16_t place[32];
    constexpr Constants() : value(), place() {
      constexpr int values = 32 / of_step;
      for (int i = 0; i < 32; ++i) {
        const int code = i % values;
        if constexpr (has_table<F>)
          value[i] = static_cast<float>(F::table.values[code] - F::offset);
        else
          value[i] = static_cast<float>(code - F::offset);
        place[i] = static_cast<std::uint16_t>(i / values * values);
      }
    }
  };
  alignas(64) static constexpr Constants constants{};

  // A table of what codes become, one permutation of it for 32 columns.
  template <bool whole>
  Columns look_up(std::size_t r, std::size_t step) const {
    const float *const s = memory.scales[r] + step * of_step, *const m = memory.minimums[r] + step * of_step;
    const auto weights_of = [&](int half, __m512 scale, __m512 minimum) {
      const __m512 value = _mm512_load_ps(constants.value + half * 16);
      return F::minimum ? _mm512_fmadd_ps(value, scale, minimum) : _mm512_mul_ps(value, scale);
    };
    const __m512i codes = bare_codes_at<F>(rows.rows[r], step, whole);
    const __m512i place = _mm512_load_si512(constants.place);
    const __m512i evens = _mm512_ternarylogic_epi32(codes, _mm512_set1_epi16(0xff), place, 0xea);  // (a & b) | c
    const __m512i odds = _mm512_or_si512(_mm512_srli_epi16(codes, 8), place);
    const auto table_of = [&](int half) {
      if constexpr (of_step == 2) return weights_of(half, _mm512_set1_ps(s[half]), _mm512_set1_ps(m[half]));
      return weights_of(half, spread<8>(s + half * 2), spread<8>(m + half * 2));
    };
    const __m512i table = to_bf16(table_of(0), table_of(1));
    return {_mm512_permutexvar_epi16(evens, table), _mm512_permutexvar_epi16(odds, table)};
  }

  template <bool whole>
  Columns compute(std::size_t r, std::size_t step) const {
    constexpr int lanes = F::group / 4;
    __m512 w[4];
    to_weights<OfNumber<F>::eight_bits>(codes_at<F>(rows.rows[r], step, whole),
                                        spread<lanes>(memory.scales[r] + step * of_step),
                                        spread<lanes>(memory.minimums[r] + step * of_step), w);
    return {join_pairs(w[0], w[2]), join_pairs(w[1], w[3])};
  }
};

// As many as leave tiles for both factors beside those of sums.
constexpr std::size_t some_tokens = 4 * amx_tokens, some_scratch_bytes = 80 * 1024;

// Sixteen rows at a time by T times 16 tokens. More rows at once would load tokens less often, but tiles rest for
// longer then, and their units take some thousand cycles to wake after a rest of two thousand.
template <class F, int T>
struct SomeTiles {
  using Rows = SomeRows<F>;
  static constexpr int of_rows = T, of_tokens = T + 1, token_tiles = 8 - of_tokens;  // registers
  struct alignas(64) Memory {
    typename Rows::Tiles tiles[2];  // of this step and of the next
    float sums[T][panel_rows][amx_tokens];
    typename Rows::Memory rows;
  };
  static_assert(sizeof(Memory) <= some_scratch_bytes);

  // Adds the products of 32 columns. `tokens`: the first of T tiles.
  static void multiply(const std::byte (&weights)[amx_tile_bytes], const std::byte* tokens) {
    tile_load<of_rows>(weights, amx_tile_width);
    unroll<T>(HEARTH_UNROLL(t) {
      constexpr int second = of_tokens + t % token_tiles;
      tile_load<second>(tokens + t * amx_tile_bytes, amx_tile_width);
      tile_multiply<t, of_rows, second>();
    });
  }

  static void all(const ProductPiece& piece) {
    const AmxTiles registers;
    Memory& memory = *reinterpret_cast<Memory*>(piece.scratch);
    const Activations& input = *piece.input;
    const TurnedRows x(input.packed[static_cast<std::size_t>(Form::bf16_turned)], input.columns, input.tokens);
    for (std::size_t row = piece.begin; row < piece.end; row += panel_rows) {
      FetchPanel next(piece, row + panel_rows);
      unroll<T>(HEARTH_UNROLL(t) { tile_zero<t>(); });
      for (std::size_t first = 0; first < input.columns; first += Rows::chunk) {
        const std::size_t columns = input.columns - first, rows_left = piece.end - row;
        const Area area{first, columns < Rows::chunk ? columns : Rows::chunk, row,
                        rows_left < panel_rows ? rows_left : panel_rows};
        const Rows rows(piece, memory.rows, area);
        const std::size_t steps = round_up(area.columns, 64) / 64;
        rows.unpack(0, memory.tiles[0], next);
        for (std::size_t step = 0; step < steps; ++step) {
          if (step + 1 < steps) rows.unpack(step + 1, memory.tiles[(step + 1) % 2], next);
          for (std::size_t half = 0; half < 2; ++half)
            multiply(memory.tiles[step % 2][half], x.tile(0, first / 32 + step * 2 + half));
        }
      }
      unroll<T>(HEARTH_UNROLL(t) { tile_store<t>(memory.sums[t], amx_tokens * sizeof(float)); });
      for (int t = 0; t < T; ++t) write_turned(piece, t * amx_tokens, row, memory.sums[t]);
    }
  }

 private:
  static void write_turned(const ProductPiece& piece, std::size_t token, std::size_t row,
                           const float (&from)[panel_rows][amx_tokens]) {
    __m512 v[panel_rows];
    for (std::size_t r = 0; r < panel_rows; ++r) v[r] = _mm512_load_ps(from[r]);
    Avx512::transpose(v);
    for (std::size_t i = 0; i < amx_tokens && token + i < piece.input->tokens; ++i)
      write<Avx512>(piece, token + i, row, piece.end - row, v[i]);
  }
};

// Up to some_tokens.
template <class F>
void some_in_tiles(const ProductPiece& piece) {
  const std::size_t blocks = (piece.input->tokens + amx_tokens - 1) / amx_tokens;
  if (blocks == 1) return SomeTiles<F, 1>::all(piece);
  if (blocks == 2) return SomeTiles<F, 2>::all(piece);
  if (blocks == 3) return SomeTiles<F, 3>::all(piece);
  SomeTiles<F, 4>::all(piece);
}

}  // namespace
}  // namespace hearth::kernels
