// Products with a few tokens: each row of weights is read once, as it stands, and multiplied with all of them.
// I is an instruction set's vectors (avx2.h, avx512.h), F one of its formats.
#pragma once

#include "kernels/matmul/int8_rows.h"
#include "kernels/matmul/output.h"
#include "kernels/matmul/unroll.h"

namespace hearth::kernels {
namespace {

constexpr std::size_t few_tokens = 8;  // most that `few` takes
constexpr int few_tile = 4;            // most that share the unpacking of a weight
constexpr std::size_t few_rows = 16;   // whose sums are added up together
constexpr std::size_t few_groups = 512;

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

// weight = scale * (code - offset) + minimum; one scale (and minimum) for F::group columns.
template <class I, class F, int T>
void int8_row(const std::byte* row, std::size_t columns, const float* scales, const float* minimums, const Int8Rows& in,
              std::size_t token, float* sums, std::size_t sums_stride) {
  using Float = typename I::Float;
  constexpr std::size_t steps = group_columns / I::bytes, groups_a_step = I::bytes / F::group;
  Float total[T];
  for (Float& each : total) each = I::zero();

  // What the codes' offset or the minimum adds: a product with the sums of the activations.
  if constexpr (F::minimum || F::offset != 0) {
    for (std::size_t i = 0, groups = columns / F::group; i < groups; i += I::lanes) {
      const float* const from = (F::minimum ? minimums : scales) + i;
      const Float constant = groups - i < I::lanes ? I::load_part(from, groups - i) : I::load(from);
      for (int t = 0; t < T; ++t) total[t] = I::fma(constant, I::load(in.sums<F::group>(token + t) + i), total[t]);
    }
    if constexpr (!F::minimum)
      for (Float& each : total) each = I::mul(each, I::splat(-static_cast<float>(F::offset)));
  }

  constexpr std::size_t row_ahead = few_groups * F::group / F::Block::weights * sizeof(typename F::Block);
  constexpr std::size_t packed_group = group_columns / F::Block::weights * sizeof(typename F::Block);
  constexpr int chains = T == 1 ? 4 : T == 2 ? 2 : 1;  // sums that do not wait for each other
  for (std::size_t first = 0, group = 0; first < columns; first += group_columns, ++group) {
    const std::byte* const from = row + group * packed_group;
    const float* const group_scales = scales + first / F::group;
    Float part[chains][T];
    unroll<chains>(HEARTH_UNROLL(c) { unroll<T>(HEARTH_UNROLL(t) { part[c][t] = I::zero(); }); });
    const auto add = [&](typename I::Bytes codes, std::size_t step, Float(&sum)[T]) __attribute__((always_inline)) {
      const Float scale = I::template spread<F::group>(group_scales + step * groups_a_step);
      unroll<T>(HEARTH_UNROLL(t) {
        const std::size_t column = first + step * I::bytes;
        const Float by = I::mul(scale, I::template spread<32>(in.scales(token + t) + column / 32));
        sum[t] = I::fma(I::template dot<F>(codes, in.values(token + t) + column), by, sum[t]);
      });
    };
    if (columns - first >= group_columns) {
      for (std::size_t line = 0; line < packed_group; line += 64) I::prefetch(from + line + row_ahead);
      unroll<static_cast<int>(steps)>(HEARTH_UNROLL(step) { add(F::codes(from, step), step, part[step % chains]); });
    } else {
      const std::size_t whole = (columns - first) / I::bytes;
      for (std::size_t step = 0; step < whole; ++step) add(F::codes(from, step), step, part[0]);
      if constexpr (F::Block::weights < I::bytes)
        if (first + whole * I::bytes < columns) add(F::last_codes(from, whole), whole, part[0]);
    }
    unroll<T>(HEARTH_UNROLL(t) {
      unroll<chains - 1>(HEARTH_UNROLL(c) { part[0][t] = I::add(part[0][t], part[c + 1][t]); });
      total[t] = I::add(part[0][t], total[t]);
    });
  }
  for (int t = 0; t < T; ++t) I::store(sums + t * sums_stride, total[t]);
}

template <class I>
constexpr std::size_t few_scratch_bytes(std::size_t columns) {
  const std::size_t groups = columns / 16 + few_groups + 16;
  return (few_tokens * few_rows * I::lanes + 2 * groups) * sizeof(float);
}

template <class I, class F>
void few_int8(const ProductPiece& piece) {
  const std::size_t columns = piece.input->columns, groups = columns / F::group, tokens = piece.input->tokens;
  const Int8Rows in(piece.input->packed[static_cast<std::size_t>(Form::int8)], columns);
  const Partial<I> partial{reinterpret_cast<float*>(piece.scratch)};
  float* const scales = partial.at(few_tokens, 0);
  float* const minimums = scales + round_up(columns / 16 + few_groups, 16);
  // So many rows have their scales expanded at once: enough for long loops, few enough to stay in the nearest cache.
  const std::size_t chunk = groups >= few_groups ? 1 : few_groups / groups < few_rows ? few_groups / groups : few_rows;

  for (std::size_t row = piece.begin; row < piece.end; row += few_rows) {
    const std::size_t rows = piece.end - row < few_rows ? piece.end - row : few_rows;
    for (std::size_t first = 0; first < rows; first += chunk) {
      const std::size_t count = rows - first < chunk ? rows - first : chunk;
      const std::byte* const from = piece.weights + (row + first) * piece.row_bytes;
      F::expand(reinterpret_cast<const typename F::Block*>(from), count * columns / F::Block::weights, scales,
                minimums);
      for (std::size_t token = 0; token < tokens; token += few_tile)
        for (std::size_t i = 0; i < count; ++i) {
          with_count(tokens - token, [&]<int T>() {
            int8_row<I, F, T>(from + i * piece.row_bytes, columns, scales + i * groups, minimums + i * groups, in,
                              token, partial.at(token, first + i), few_rows * I::lanes);
          });
        }
    }
    write_partial<I>(piece, partial, row, rows);
  }
}

// Float weights, in float32 throughout.
template <class I, class F, int T>
void float_row(const std::byte* row, std::size_t columns, const float* x, std::size_t stride, float* sums,
               std::size_t sums_stride) {
  using Float = typename I::Float;
  constexpr int chains = T == 1 ? 4 : T == 2 ? 2 : 1;
  constexpr std::size_t ahead = 4096;
  Float total[chains][T];
  for (auto& chain : total)
    for (Float& each : chain) each = I::zero();
  std::size_t i = 0;
  for (; i + chains * I::lanes <= columns; i += chains * I::lanes)
    for (int c = 0; c < chains; ++c) {
      const std::size_t at = i + static_cast<std::size_t>(c) * I::lanes;
      I::prefetch(row + at * sizeof(typename F::Block) + ahead);
      const Float weights = F::load(row, at);
      for (int t = 0; t < T; ++t)
        total[c][t] = I::fma(weights, I::load(x + static_cast<std::size_t>(t) * stride + at), total[c][t]);
    }
  for (; i < columns; i += I::lanes) {
    const std::size_t count = columns - i < I::lanes ? columns - i : I::lanes;
    const Float weights = F::load_part(row, i, count);
    for (int t = 0; t < T; ++t)
      total[0][t] = I::fma(weights, I::load_part(x + static_cast<std::size_t>(t) * stride + i, count), total[0][t]);
  }
  for (int t = 0; t < T; ++t) {
    for (int c = 1; c < chains; ++c) total[0][t] = I::add(total[0][t], total[c][t]);
    I::store(sums + static_cast<std::size_t>(t) * sums_stride, total[0][t]);
  }
}

template <class I, class F>
void few_float(const ProductPiece& piece) {
  const Activations& in = *piece.input;
  const Partial<I> partial{reinterpret_cast<float*>(piece.scratch)};
  for (std::size_t row = piece.begin; row < piece.end; row += few_rows) {
    const std::size_t rows = piece.end - row < few_rows ? piece.end - row : few_rows;
    for (std::size_t token = 0; token < in.tokens; token += few_tile)
      for (std::size_t i = 0; i < rows; ++i) {
        with_count(in.tokens - token, [&]<int T>() {
          float_row<I, F, T>(piece.weights + (row + i) * piece.row_bytes, in.columns, in.x + token * in.stride,
                             in.stride, partial.at(token, i), few_rows * I::lanes);
        });
      }
    write_partial<I>(piece, partial, row, rows);
  }
}

}  // namespace
}  // namespace hearth::kernels
