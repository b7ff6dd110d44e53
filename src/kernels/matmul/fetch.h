// Weights that are wanted next, fetched while others are multiplied; and where results will go.
#pragma once

#include <immintrin.h>

#include <cstddef>

#include "kernels/matmul_kernels.h"

namespace hearth::kernels {
namespace {

// Rows that are read one after another: into the second cache well ahead, where more lines may be on their way than the
// first cache takes, and into the first shortly before they are used.
inline void fetch_ahead(const std::byte* at) {
  _mm_prefetch(reinterpret_cast<const char*>(at + fetch_far), _MM_HINT_T1);
  _mm_prefetch(reinterpret_cast<const char*>(at + fetch_near), _MM_HINT_T0);
}

// Rows of which several are read side by side: what follows all of them, into the second cache.
template <int rows>
inline void fetch_rows_after(const std::byte* at, std::size_t row_bytes) {
  for (std::size_t i = rows; i < 2 * rows; ++i)
    _mm_prefetch(reinterpret_cast<const char*>(at + i * row_bytes), _MM_HINT_T1);
}

// A few lines at each call of `some`.
struct Fetch {
  const std::byte* row;
  std::size_t row_bytes, rows, bytes, share;  // bytes of each row; lines at a time
  std::size_t at = 0;

  void some() {
    for (std::size_t i = 0; i < share && rows != 0; ++i) {
      _mm_prefetch(reinterpret_cast<const char*>(row + at), _MM_HINT_T1);
      if ((at += 64) < bytes) continue;
      at = 0;
      row += row_bytes;
      --rows;
    }
  }
};

// `rows` rows, spread over `calls`.
inline Fetch fetch_rows(const std::byte* row, std::size_t row_bytes, std::size_t rows, std::size_t bytes,
                        std::size_t calls) {
  const std::size_t lines = (bytes + 63) / 64 * rows, sharing = calls + (calls == 0);
  return {row, row_bytes, rows, bytes, (lines + sharing - 1) / sharing};
}

// Results are seldom in a cache when a tile of tokens is done: they are fetched when it begins.
inline void fetch_output(const ProductPiece& piece, std::size_t token, std::size_t tokens, std::size_t row) {
  for (std::size_t t = 0; t < tokens; ++t)
    _mm_prefetch(reinterpret_cast<const char*>(piece.output + (token + t) * piece.output_stride + row), _MM_HINT_T0);
}

}  // namespace
}  // namespace hearth::kernels
