// Products with some tokens: 64 columns of sixteen rows' codes, the format's own, stay in registers while up to sixteen
// tokens pass by. For batches, short prompts, and what is measured: weights are what they are, outliers are added in
// float32.
#pragma once

#include "kernels/matmul/avx512_rows.h"

namespace hearth::kernels {
namespace {

// Activations, sixteen tokens side by side: value = scale * code, with a scale for each 32 columns, and outliers aside.
// Past the last column codes are zero. fine_blocks: with more outliers.
struct TokenBlocks {
  static constexpr std::size_t tokens = 16, columns = 64, chunk = 2048;  // columns that have a list
  struct Block {
    alignas(64) std::int8_t values[tokens][columns];
    alignas(64) std::int32_t counts[4][tokens];  // sums of 16 columns' codes
    float scales[2][tokens];                     // of 32 columns
  };
  using List = Outliers<chunk>;
  std::byte* base;
  float limit;                                  // so many times its root mean square is an outlier of a token
  std::size_t blocks, lists, lists_at, record;  // blocks and lists of a token; bytes of sixteen tokens

  TokenBlocks(const std::byte* packed, std::size_t width, Form form)
      : base(const_cast<std::byte*>(packed)),
        limit(form == Form::fine_blocks ? far_for_measured : far_for_all),
        blocks(round_up(width, columns) / columns),
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

// 32 columns, the first or the second half of a block's, of token `lane`.
inline void pack_lane(const Part& part, TokenBlocks::Block& to, std::size_t half, std::size_t lane) {
  const bool zero = part.most <= 1e-30f;
  const __m512 inverse = _mm512_set1_ps(zero ? 0 : 127 / part.most);
  for (std::size_t i = 0; i < 2; ++i) {
    const __m512i codes = _mm512_cvtps_epi32(_mm512_mul_ps(part.values[i], inverse));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to.values[lane] + half * 32 + i * 16), _mm512_cvtsepi32_epi8(codes));
    to.counts[2 * half + i][lane] = _mm512_reduce_add_epi32(codes);
  }
  to.scales[half][lane] = zero ? 0 : part.most / 127;
}

inline void pack_blocks(const Activations& input, const TokenBlocks& rows, std::size_t token) {
  const float* const x = input.x + token * input.stride;
  const std::size_t lane = token % TokenBlocks::tokens;
  const float limit = rows.limit * root_mean_square(x, input.columns);
  for (std::size_t first = 0; first < round_up(input.columns, 64); first += 32) {
    TokenBlocks::Block& block = rows.of(token)[first / 64];
    const std::size_t half = first % 64 / 32;
    if (first < input.columns) {
      TokenBlocks::List& list = rows.list(token, first);
      if (first % TokenBlocks::chunk == 0) list.count = 0;
      Part part(x + first, 32);
      if (part.most > limit) {
        alignas(64) float rest[32];
        list.take(x + first, 32, first % TokenBlocks::chunk, limit, rest);
        part = Part(rest, 32);
      }
      pack_lane(part, block, half, lane);
    } else {
      alignas(64) static constexpr float none[32] = {};
      pack_lane(Part(none, 32), block, half, lane);
    }
    // Lanes that no token has are computed as well.
    for (std::size_t none = lane + 1; token + 1 == input.tokens && none < TokenBlocks::tokens; ++none)
      block.counts[2 * half][none] = block.counts[2 * half + 1][none] = 0, block.scales[half][none] = 0;
  }
}

// A piece's rows, sixteen at a time and a chunk of columns.
template <class F>
class SomeTokens {
  static constexpr std::size_t lanes = TokenBlocks::tokens, chunk = TokenBlocks::chunk, groups = 64 / F::group;
  static constexpr int together = groups == 2 ? 4 : 2;  // tokens: eight sums of dot products
  using Rows = CodeRows<F, chunk>;
  struct Memory {
    alignas(64) std::uint8_t codes[chunk * panel_rows];  // [columns / 4][16 rows][4 columns]
    ScalesOfRows<chunk / F::group> of_rows;
    OwnRows<chunk> own;
  };
  // Of 64 columns and sixteen tokens. What dot products start from, -offset * the sum of a token's codes; where weights
  // have minimums, what those are multiplied with: scale * that sum.
  static_assert(F::offset == 0 || !F::minimum);
  union Constants {
    alignas(64) std::int32_t starts[groups][lanes];
    alignas(64) float products[groups][lanes];
  };

  const ProductPiece& piece_;
  const TokenBlocks in_;
  const std::size_t tiles_;
  Memory& memory_;
  Constants* const constants_;  // [tiles][chunk / 64]

 public:
  static std::size_t scratch_bytes(std::size_t tokens) {
    return sizeof(Memory) + TokenBlocks::tiles(tokens) * (chunk / 64) * sizeof(Constants);
  }

  SomeTokens(const ProductPiece& piece, Form form)
      : piece_(piece),
        in_(piece.input->packed[static_cast<std::size_t>(form)], piece.input->columns, form),
        tiles_(TokenBlocks::tiles(piece.input->tokens)),
        memory_(*reinterpret_cast<Memory*>(piece.scratch)),
        constants_(reinterpret_cast<Constants*>(piece.scratch + sizeof(Memory))) {}

  // Columns [first, first + chunk).
  void find_constants(std::size_t first) const {
    for (std::size_t tile = 0; tile < tiles_; ++tile) {
      const TokenBlocks::Block* const blocks = in_.of(tile * lanes);
      for (std::size_t i = 0; i < chunk / 64 && first / 64 + i < in_.blocks; ++i) {
        const TokenBlocks::Block& block = blocks[first / 64 + i];
        Constants& to = constants_[tile * (chunk / 64) + i];
        for (std::size_t g = 0; g < groups; ++g) {
          __m512i count = _mm512_load_si512(block.counts[g * 4 / groups]);
          if constexpr (groups == 2) count = _mm512_add_epi32(count, _mm512_load_si512(block.counts[2 * g + 1]));
          if constexpr (F::minimum)
            _mm512_store_ps(to.products[g],
                            _mm512_mul_ps(_mm512_cvtepi32_ps(count), _mm512_load_ps(block.scales[g * 2 / groups])));
          else
            _mm512_store_si512(to.starts[g], _mm512_mullo_epi32(count, _mm512_set1_epi32(-F::offset)));
        }
      }
    }
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
    const TokenBlocks::Block* block = in_.of(first) + area.first / 64;
    const Constants* constants = constants_ + tile * (chunk / 64);
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
    for (std::size_t t = 0; t < count; ++t)
      write<Avx512>(piece_, first + t, area.row, area.rows, add_far(in_.list(first + t, area.first), sums[t]));
  }

  // 64 columns, from group `at` of the chunk, with a few tokens.
  [[gnu::always_inline]] inline void add_products(const __m512i (&codes)[16], const TokenBlocks::Block& block,
                                                  const Constants& constants, std::size_t at, std::size_t token,
                                                  __m512* sums) const {
    __m512i dots[together][groups];
    unroll<together>(HEARTH_UNROLL(t) {
      unroll<groups>(HEARTH_UNROLL(g) {
        dots[t][g] = F::offset == 0 ? _mm512_setzero_si512() : _mm512_set1_epi32(constants.starts[g][token + t]);
      });
    });
    const std::int8_t* const values = block.values[token];
    unroll<16 / groups>(HEARTH_UNROLL(i) {
      unroll<together>(HEARTH_UNROLL(t) {
        unroll<groups>(HEARTH_UNROLL(g) {
          constexpr int four = g * 16 / static_cast<int>(groups) + i;
          Avx512Product::add_dot_of(dots[t][g], codes[four], values + t * 64 + four * 4);
        });
      });
    });
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

  [[gnu::always_inline]] inline __m512 add_far(const TokenBlocks::List& list, __m512 sum) const {
    for (const auto* far = list.far; far != list.far + list.count; ++far) {
      const std::size_t group = far->column / F::group;
      const __m512 code = _mm512_cvtepi32_ps(codes_of(memory_.codes, far->column));
      const __m512 scale = _mm512_load_ps(memory_.of_rows.scales[group]);
      const __m512 least = F::minimum ? _mm512_load_ps(memory_.of_rows.minimums[group])
                                      : _mm512_mul_ps(scale, _mm512_set1_ps(-F::offset));
      sum = _mm512_fmadd_ps(_mm512_fmadd_ps(code, scale, least), _mm512_set1_ps(far->value), sum);
    }
    return sum;
  }
};

template <class F>
void some(const ProductPiece& all, Form form) {
  ProductPiece piece = all;
  const SomeTokens<F> tokens(piece, form);
  constexpr std::size_t chunk = TokenBlocks::chunk;
  for (std::size_t first = 0; first < piece.input->columns; first += chunk) {
    const std::size_t left = piece.input->columns - first, columns = left < chunk ? left : chunk;
    tokens.find_constants(first);
    for (std::size_t row = piece.begin; row < piece.end; row += panel_rows)
      tokens.multiply({first, columns, row, piece.end - row < panel_rows ? piece.end - row : panel_rows});
    piece.bias = nullptr;  // what follows is added to the first chunk
    piece.accumulate = true;
  }
}

}  // namespace
}  // namespace hearth::kernels
