// Products with a few tokens: each row of weights is read once, as it stands, and multiplied with all of them.
// I is an instruction set's vectors (avx2.h, avx512.h), F one of its formats.
#pragma once

#include "kernels/matmul/fetch.h"
#include "kernels/matmul/int8_rows.h"
#include "kernels/matmul/output.h"
#include "kernels/matmul/unroll.h"
#include "kernels/matmul_kernels.h"

namespace hearth::kernels {
namespace {

constexpr int few_tile = 4;           // most that share the unpacking of a weight
constexpr std::size_t few_rows = 16;  // whose sums are added up together

// Sums that a vector's lanes still hold, of 16 rows and few_tokens tokens.
template <class I>
struct Partial {
  float* lanes;
  float* at(std::size_t token, std::size_t row) const { return lanes + (token * few_rows + row) * I::lanes; }
};

template <class I>
void write_partial(const ProductPiece& piece, const Partial<I>& partial, std::size_t row, std::size_t rows) {
  for (std::size_t token = 0; token < piece.input->tokens; ++token)
    for (std::size_t first = 0; first < rows; first += I::lanes) {
      typename I::Float v[I::lanes];
      for (std::size_t i = 0; i < I::lanes; ++i)
        v[i] = first + i < rows ? I::load(partial.at(token, first + i)) : I::zero();
      write<I>(piece, token, row + first, rows - first, I::sums(v));
    }
}

// Calls task.operator()<T>() with the number of tokens that go together.
template <class Task>
void with_count(std::size_t tokens, Task task) {
  switch (tokens) {
    case 1:
      return task.template operator()<1>();
    case 2:
      return task.template operator()<2>();
    case 3:
      return task.template operator()<3>();
    default:
      return task.template operator()<few_tile>();
  }
}

template <class I>
constexpr std::size_t few_scratch_bytes = few_tokens* few_rows* I::lanes * sizeof(float);

// Float weights, in float32 throughout: R rows, `row_bytes` apart, with T tokens. The sum of row r and token t stays in
// lanes at sums + (t * few_rows + r) * I::lanes.
template <class I, class F, int R, int T>
[[gnu::noinline]] void float_rows(const std::byte* row, std::size_t row_bytes, std::size_t columns, const float* x,
                                  std::size_t stride, float* sums) {
  using Float = typename I::Float;
  constexpr int chains = T == 1 ? 4 : T == 2 ? 2 : 1;
  constexpr std::size_t weight_bytes = sizeof(typename F::Block);
  Float total[chains][R][T];
  for (auto& chain : total)
    for (auto& of_row : chain)
      for (Float& each : of_row) each = I::zero();
  std::size_t i = 0;
  for (; i + chains * I::lanes <= columns; i += chains * I::lanes)
    for (int c = 0; c < chains; ++c) {
      const std::size_t at = i + static_cast<std::size_t>(c) * I::lanes;
      if constexpr (R == 1)
        fetch_ahead(row + at * weight_bytes);
      else
        fetch_rows_after<R>(row + at * weight_bytes, row_bytes);
      for (std::size_t r = 0; r < R; ++r) {
        const Float weights = F::load(row + r * row_bytes, at);
        for (std::size_t t = 0; t < T; ++t)
          total[c][r][t] = I::fma(weights, I::load(x + t * stride + at), total[c][r][t]);
      }
    }
  for (; i < columns; i += I::lanes) {
    const std::size_t count = columns - i < I::lanes ? columns - i : I::lanes;
    for (std::size_t r = 0; r < R; ++r) {
      const Float weights = F::load_part(row + r * row_bytes, i, count);
      for (std::size_t t = 0; t < T; ++t)
        total[0][r][t] = I::fma(weights, I::load_part(x + t * stride + i, count), total[0][r][t]);
    }
  }
  for (std::size_t r = 0; r < R; ++r)
    for (std::size_t t = 0; t < T; ++t) {
      for (int c = 1; c < chains; ++c) total[0][r][t] = I::add(total[0][r][t], total[c][r][t]);
      I::store(sums + (t * few_rows + r) * I::lanes, total[0][r][t]);
    }
}

template <class I, class F>
void few_float(const ProductPiece& piece) {
  const Activations& in = *piece.input;
  const Partial<I> partial{reinterpret_cast<float*>(piece.scratch)};
  // Rows that share the reading of activations, with three tokens or more, where there are registers for so many sums.
  constexpr int together = I::lanes == 16 ? 4 : 1;
  for (std::size_t row = piece.begin; row < piece.end; row += few_rows) {
    const std::size_t rows = piece.end - row < few_rows ? piece.end - row : few_rows;
    for (std::size_t i = 0; i < rows;) {
      const bool many = in.tokens > 2 && i + together <= rows;
      const std::byte* const from = piece.weights + (row + i) * piece.row_bytes;
      for (std::size_t token = 0; token < in.tokens; token += few_tile)
        with_count(in.tokens - token, [&]<int T>() {
          const auto multiply = many ? float_rows<I, F, together, T> : float_rows<I, F, 1, T>;
          multiply(from, piece.row_bytes, in.columns, in.x + token * in.stride, in.stride, partial.at(token, i));
        });
      i += many ? together : 1;
    }
    write_partial<I>(piece, partial, row, rows);
  }
}

}  // namespace
}  // namespace hearth::kernels
