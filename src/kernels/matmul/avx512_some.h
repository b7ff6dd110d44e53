// Products with some tokens, in tiles of up to sixteen. For batches, short prompts, and what is measured: weights are
// what they are, outliers are added in float32.
#pragma once

#include "kernels/matmul/avx512_blocks.h"

namespace hearth::kernels {
namespace {

// Activations in tiles of sixteen tokens, outliers aside; past the last column codes are zero. fine_blocks: with more
// outliers.
struct TokenBlocks {
  static constexpr std::size_t tokens = 16, chunk = 2048;  // columns that have a list
  using Block = TokenBlock<tokens>;
  using List = Outliers<chunk>;
  std::byte* base;
  float limit;                                  // so many times its root mean square is an outlier of a token
  std::size_t blocks, lists, lists_at, record;  // blocks and lists of a token; bytes of sixteen tokens

  TokenBlocks(const std::byte* packed, std::size_t width, Form form)
      : base(const_cast<std::byte*>(packed)),
        limit(form == Form::fine_blocks ? far_for_measured : far_for_all),
        blocks(round_up(width, block_columns) / block_columns),
        lists(round_up(width, chunk) / chunk),
        lists_at(blocks * sizeof(Block)),
        record(record_of(lists_at + tokens * lists * sizeof(List))) {}
  static std::size_t tiles(std::size_t count) { return round_up(count, tokens) / tokens; }
  Block* of(std::size_t token) const { return reinterpret_cast<Block*>(base + token / tokens * record); }
  List& list(std::size_t token, std::size_t column) const {
    std::byte* const all = base + token / tokens * record + lists_at;
    return reinterpret_cast<List*>(all)[token % tokens * lists + column / chunk];
  }
};

inline void pack_blocks(const Activations& input, const TokenBlocks& rows, std::size_t token) {
  alignas(32) static constexpr float nothing[32] = {};
  const float* const x = input.x + token * input.stride;
  const std::size_t lane = token % TokenBlocks::tokens;
  const float limit = rows.limit * root_mean_square(x, input.columns);
  for (std::size_t first = 0; first < rows.blocks * block_columns; first += 32) {
    TokenBlocks::Block& block = rows.of(token)[first / block_columns];
    const float* from = first < input.columns ? x + first : nothing;
    TokenBlocks::List& list = rows.list(token, first);
    if (first % TokenBlocks::chunk == 0) list.count = 0;
    alignas(32) float rest[32];
    if (larger(from, limit) != 0) {
      list.take(from, 32, first % TokenBlocks::chunk, limit, rest);
      from = rest;
    }
    block.put(lane, first / 32 % 2, from);
    if (token + 1 == input.tokens) block.clear_from(lane + 1);
  }
}

// A piece's rows, sixteen at a time and a chunk of columns.
template <class F>
class SomeTokens {
  static constexpr std::size_t lanes = TokenBlocks::tokens, chunk = TokenBlocks::chunk,
                               groups = block_columns / F::group, of_chunk = chunk / block_columns;
  static constexpr int together = groups == 2 ? 4 : 2;  // tokens: eight sums of dot products
  using Rows = CodeRows<F, chunk>;
  struct Memory {
    alignas(64) std::uint8_t codes[chunk * panel_rows];  // [columns / 4][16 rows][4 columns]
    ScalesOfRows<chunk / F::group> of_rows;
    OwnRows<chunk> own;
  };
  using OfBlock = Constants<F, lanes>;

  const ProductPiece& piece_;
  const TokenBlocks in_;
  const std::size_t tiles_;
  Memory& memory_;
  OfBlock* const constants_;  // [tiles][chunk / 64]

 public:
  static std::size_t scratch_bytes(std::size_t tokens) {
    return sizeof(Memory) + TokenBlocks::tiles(tokens) * of_chunk * sizeof(OfBlock);
  }

  SomeTokens(const ProductPiece& piece, Form form)
      : piece_(piece),
        in_(piece.input->packed[static_cast<std::size_t>(form)], piece.input->columns, form),
        tiles_(TokenBlocks::tiles(piece.input->tokens)),
        memory_(*reinterpret_cast<Memory*>(piece.scratch)),
        constants_(reinterpret_cast<OfBlock*>(piece.scratch + sizeof(Memory))) {}

  // Columns [first, first + chunk) come next.
  void find_constants(std::size_t first) const {
    const std::size_t before = first / block_columns;
    for (std::size_t tile = 0; tile < tiles_; ++tile)
      for (std::size_t i = 0; i < of_chunk && before + i < in_.blocks; ++i)
        constants_[tile * of_chunk + i].find(in_.of(tile * lanes)[before + i]);
  }

  // Up to sixteen rows.
  void multiply(const Area& area) const {
    const Rows rows(piece_, area, 0, memory_.own);
    rows.read_scales(memory_.of_rows);
    const std::size_t steps = round_up(area.columns, 64) / 64;
    Fetch next = next_of(piece_, area, chunk, steps * tiles_, panel_rows);
    multiply_tile<true>(rows, area, 0, next);
    for (std::size_t tile = 1; tile < tiles_; ++tile) multiply_tile<false>(rows, area, tile, next);
  }

 private:
  // The first tile of tokens unpacks the codes and keeps them for the others.
  template <bool unpacks>
  [[gnu::noinline]] void multiply_tile(const Rows& rows, const Area& area, std::size_t tile, Fetch& next) const {
    const std::size_t first = tile * lanes, left = piece_.input->tokens - first, count = left < lanes ? left : lanes;
    const TokenBlocks::Block* block = in_.of(first) + area.first / block_columns;
    const OfBlock* constants = constants_ + tile * of_chunk;
    fetch_output(piece_, first, count, area.row);
    alignas(64) __m512 sums[lanes];
    unroll<lanes>(HEARTH_UNROLL(t) { sums[t] = _mm512_setzero_ps(); });
    std::uint8_t* at = memory_.codes;
    std::size_t step = 0;
    const auto add = [&](const __m512i(&codes)[16]) __attribute__((always_inline)) {
      next.some();
      for (std::size_t t = 0; t < count; t += together)
        add_products(codes, *block, *constants, step * groups, t, sums + t);
      ++step, ++block, ++constants, at += 1024;
    };
    const auto unpack = [&]<bool whole>() __attribute__((always_inline)) {
      __m512i codes[16];
      unroll<16>(HEARTH_UNROLL(i) { codes[i] = _mm512_setzero_si512(); });
      rows.template read_codes<whole>(
          step, [&](std::size_t i, __m512i v) __attribute__((always_inline)) {
            codes[i] = v;
            _mm512_store_si512(at + i * 64, v);
          });
      add(codes);
    };
    if constexpr (unpacks) {
      while ((step + 1) * 64 <= area.columns) unpack.template operator()<true>();
      if (step * 64 < area.columns) unpack.template operator()<false>();
    } else {
      while (step * 64 < area.columns) {
        __m512i codes[16];
        unroll<16>(HEARTH_UNROLL(i) { codes[i] = _mm512_load_si512(at + i * 64); });
        add(codes);
      }
    }
    for (std::size_t t = 0; t < count; ++t) {
      __m512 sum[1] = {sums[t]};
      add_far(in_.list(first + t, area.first), sum);
      write<Avx512>(piece_, first + t, area.row, area.rows, sum[0]);
    }
  }

  // 64 columns, from group `at` of the chunk, with a few tokens.
  [[gnu::always_inline]] inline void add_products(const __m512i (&codes)[16], const TokenBlocks::Block& block,
                                                  const OfBlock& constants, std::size_t at, std::size_t token,
                                                  __m512* sums) const {
    __m512i dots[together][groups];
    multiply_block<F>(codes, block, constants, token, dots);
    unroll<together>(HEARTH_UNROLL(t) {
      unroll<2>(HEARTH_UNROLL(half) {
        constexpr std::size_t first = half * groups / 2;
        __m512 part =
            _mm512_mul_ps(_mm512_cvtepi32_ps(dots[t][first]), _mm512_load_ps(memory_.of_rows.scales[at + first]));
        if constexpr (groups == 4)
          part = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[t][first + 1]),
                                 _mm512_load_ps(memory_.of_rows.scales[at + first + 1]), part);
        sums[t] = _mm512_fmadd_ps(part, _mm512_set1_ps(block.scales[half][token + t]), sums[t]);
      });
      if constexpr (F::minimum)
        unroll<groups>(HEARTH_UNROLL(g) {
          sums[t] = _mm512_fmadd_ps(_mm512_load_ps(memory_.of_rows.minimums[at + g]),
                                    _mm512_set1_ps(constants.products[g][token + t]), sums[t]);
        });
    });
  }

  [[gnu::always_inline]] inline void add_far(const TokenBlocks::List& list, __m512 (&sum)[1]) const {
    add_outliers<1>(
        list, sum, [&](int, std::size_t column) __attribute__((always_inline)) {
          const std::size_t group = column / F::group;
          const __m512 scale = _mm512_load_ps(memory_.of_rows.scales[group]);
          const __m512 least = F::minimum ? _mm512_load_ps(memory_.of_rows.minimums[group])
                                          : _mm512_mul_ps(scale, _mm512_set1_ps(-F::offset));
          return _mm512_fmadd_ps(_mm512_cvtepi32_ps(codes_of(memory_.codes, column)), scale, least);
        });
  }
};

template <class F>
void some(ProductPiece& piece, Form form) {
  const SomeTokens<F> tokens(piece, form);
  for_areas<TokenBlocks::chunk, panel_rows>(
      piece, [&](std::size_t first) { tokens.find_constants(first); },
      [&](const Area& area) { tokens.multiply(area); });
}

}  // namespace
}  // namespace hearth::kernels
