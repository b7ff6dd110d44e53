// Products with five to eight tokens, to the last bit those of avx2_few.h, of formats in groups of 32 and whole pairs
// of these. A lane is a row, and sums are kept apart as the lanes there are: each of eight groups has its own.
#pragma once

#include "kernels/matmul/avx512_blocks.h"

namespace hearth::kernels {
namespace {

constexpr std::size_t several_from = 5, several_tokens = few_tokens;

using SeveralBlock = TokenBlock<several_tokens>;

// Columns are a multiple of 64.
inline void pack_several(const Activations& input, std::size_t token, SeveralBlock* blocks) {
  const float* const x = input.x + token * input.stride;
  for (std::size_t i = 0; i < input.columns / 32; ++i) {
    blocks[i / 2].put(token, i % 2, x + i * 32);
    if (token + 1 == input.tokens) blocks[i / 2].clear_from(token + 1);
  }
}

template <class F>
class Several {
  static constexpr std::size_t chunk = 2048, together = 4;  // columns whose scales are read; tokens
  using Rows = CodeRows<F, chunk>;
  using OfBlock = Constants<F, several_tokens>;
  struct Memory {
    alignas(64) __m512 sums[several_tokens][8];
    ScalesOfRows<chunk / 32> of_rows;
    OwnRows<chunk> own;
  };

  const ProductPiece& piece_;
  const SeveralBlock* const blocks_;
  const std::size_t columns_, tokens_, whole_;  // columns of whole groups of 256
  Memory& memory_;
  OfBlock* const constants_;  // [columns / 64]

 public:
  static std::size_t scratch_bytes(std::size_t columns) {
    return sizeof(Memory) + columns / block_columns * sizeof(OfBlock);
  }

  explicit Several(const ProductPiece& piece)
      : piece_(piece),
        blocks_(
            reinterpret_cast<const SeveralBlock*>(piece.input->packed[static_cast<std::size_t>(Form::int8_several)])),
        columns_(piece.input->columns),
        tokens_(piece.input->tokens),
        whole_(columns_ / group_columns * group_columns),
        memory_(*reinterpret_cast<Memory*>(piece.scratch)),
        constants_(reinterpret_cast<OfBlock*>(piece.scratch + sizeof(Memory))) {
    for (std::size_t i = 0; i < columns_ / block_columns; ++i) constants_[i].find(blocks_[i]);
  }

  // Up to sixteen rows.
  void multiply(std::size_t row, std::size_t rows) const {
    Fetch next = next_of(piece_, {0, columns_, row, rows}, columns_, columns_ / 64, panel_rows);
    fetch_output(piece_, 0, tokens_, row);
    for (auto& sums : memory_.sums) unroll<8>(HEARTH_UNROLL(i) { sums[i] = _mm512_setzero_ps(); });
    // What is left after the last whole group comes first: its two sums are what another begins with.
    if (whole_ < columns_) {
      add_columns<false>({whole_, columns_ - whole_, row, rows}, next);
      for (auto& sums : memory_.sums) {
        sums[0] = _mm512_add_ps(sums[0], sums[1]);
        sums[1] = _mm512_setzero_ps();
      }
    }
    for (std::size_t first = 0; first < whole_; first += chunk)
      add_columns<true>({first, whole_ - first < chunk ? whole_ - first : chunk, row, rows}, next);
    for (std::size_t t = 0; t < tokens_; ++t) write<Avx512>(piece_, t, row, rows, total(memory_.sums[t]));
  }

 private:
  // As Avx2::sums adds up lanes.
  static __m512 total(const __m512 (&sums)[8]) {
    __m512 twos[4];
    unroll<4>(HEARTH_UNROLL(i) { twos[i] = _mm512_add_ps(sums[2 * i], sums[2 * i + 1]); });
    return _mm512_add_ps(_mm512_add_ps(twos[0], twos[1]), _mm512_add_ps(twos[2], twos[3]));
  }

  // Of whole groups, or of what is past them.
  template <bool whole>
  [[gnu::noinline]] void add_columns(const Area& area, Fetch& next) const {
    const Rows rows(piece_, area, 0, memory_.own);
    rows.read_scales(memory_.of_rows);
    const std::size_t steps = area.columns / block_columns, before = area.first / block_columns;
    for (std::size_t step = 0; step < steps; ++step) {
      next.some();
      __m512i codes[16];
      rows.template read_codes<true>(
          step, [&](std::size_t i, __m512i v) __attribute__((always_inline)) { codes[i] = v; });
      for (std::size_t t = 0; t < tokens_; t += together)
        add_tokens(codes, before + step, t, 2 * step, memory_.sums + t, whole ? step % 4 * 2 : 0);
    }
  }

  // A block with some tokens, from group `at` of the chunk; sums are those of `lane` and the next.
  [[gnu::always_inline]] inline void add_tokens(const __m512i (&codes)[16], std::size_t i, std::size_t token,
                                                std::size_t at, __m512 (*sums)[8], std::size_t lane) const {
    const SeveralBlock& block = blocks_[i];
    __m512i dots[together][2];
    multiply_block<F>(codes, block, constants_[i], token, dots);
    unroll<together>(HEARTH_UNROLL(t) {
      unroll<2>(HEARTH_UNROLL(g) {
        __m512& sum = sums[t][lane + g];
        const __m512 products =
            _mm512_mul_ps(_mm512_cvtepi32_ps(dots[t][g]), _mm512_set1_ps(block.scales[g][token + t]));
        sum = _mm512_fmadd_ps(products, _mm512_load_ps(memory_.of_rows.scales[at + g]), sum);
        if constexpr (F::minimum)
          sum = _mm512_fmadd_ps(_mm512_load_ps(memory_.of_rows.minimums[at + g]),
                                _mm512_set1_ps(constants_[i].products[g][token + t]), sum);
      });
    });
  }
};

template <class F>
void several(const ProductPiece& piece) {
  const Several<F> tokens(piece);
  for (std::size_t row = piece.begin; row < piece.end; row += panel_rows)
    tokens.multiply(row, piece.end - row < panel_rows ? piece.end - row : panel_rows);
}

}  // namespace
}  // namespace hearth::kernels
