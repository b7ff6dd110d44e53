// Few query rows: keys and values are read straight from the cache, each once for up to four rows.
#pragma once

#include "kernels/body/attention.h"

namespace hearth::kernels {
namespace {

constexpr std::size_t score_stride = tile + 16;  // the last group of keys may write past the tile

// What is read next: the tile's values while its keys are multiplied, the next tile's keys while values are gathered.
inline void fetch(const std::byte* from, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; i += 64) __builtin_prefetch(from + i);
}

// Sums that fit registers beside what they are made of.
template <class V>
constexpr std::size_t most_sums = V::product_rows* V::product_vectors;

// scores[r][p] = queries[r] . keys[p] for R rows and the first n positions of a tile, a group of keys at a time: as
// many as have products for one vector of sums; or four, where those are fewer, do not fill it, and four fit.
template <class V, class Row, std::size_t R>
void score_few(const AttentionPiece& piece, const float* queries, std::size_t stride, std::size_t position,
               std::size_t n, float* scores) {
  using F = typename V::Float;
  constexpr bool whole = V::lanes / R >= 4 || V::lanes % R == 0 || R * 4 > most_sums<V>;
  constexpr std::size_t P = whole ? V::lanes / R : 4;
  for (std::size_t p = 0; p < n; p += P) {
    const std::byte* keys[P];
    for (std::size_t j = 0; j < P; ++j)
      keys[j] = piece.keys + (position + (p + j < n ? p + j : n - 1)) * piece.key_bytes;
    fetch(piece.values + (position + p) * piece.value_bytes, P * piece.value_bytes);
    F sums[whole ? V::lanes : R * P];
    for (F& sum : sums) sum = V::zero();
    const auto multiply = [&](std::size_t d, auto load) {
      F query[R];
      for (std::size_t r = 0; r < R; ++r) query[r] = V::load(queries + r * stride + d);
      for (std::size_t j = 0; j < P; ++j) {
        const F key = load(keys[j], d);
        for (std::size_t r = 0; r < R; ++r) sums[r * P + j] = V::fma(query[r], key, sums[r * P + j]);
      }
    };
    std::size_t d = 0;
    for (; d + V::lanes <= piece.key_width; d += V::lanes)
      multiply(d, [](const std::byte* row, std::size_t i) { return Row::load(row, i); });
    if (const std::size_t rest = piece.key_width - d)
      multiply(d, [rest](const std::byte* row, std::size_t i) { return Row::load_part(row, i, rest); });
    if constexpr (whole) {
      float group[V::lanes];
      V::store(group, V::sums(sums));
      for (std::size_t r = 0; r < R; ++r)
        for (std::size_t j = 0; j < P; ++j) scores[r * score_stride + p + j] = group[r * P + j];
    } else {
      for (std::size_t r = 0; r < R; ++r) V::store_four_sums(scores + r * score_stride + p, sums + r * P);
    }
  }
}

// values[r] += weights[r][p] * value rows of the first n positions, N vectors of columns from `column` on.
template <class V, class Row, std::size_t R, std::size_t N>
void gather_few(const AttentionPiece& piece, const float* weights, std::size_t position, std::size_t n,
                std::size_t column, float* values, std::size_t stride) {
  using F = typename V::Float;
  F sums[R][N];
  for (std::size_t r = 0; r < R; ++r)
    for (std::size_t k = 0; k < N; ++k) sums[r][k] = V::load(values + r * stride + k * V::lanes);
  const auto gather = [&](auto load) {
    const std::byte* row = piece.values + position * piece.value_bytes;
    for (std::size_t p = 0; p < n; ++p, row += piece.value_bytes) {
      if (column == 0) fetch(piece.keys + (position + tile + p) * piece.key_bytes, piece.key_bytes);
      F weight[R];
      for (std::size_t r = 0; r < R; ++r) weight[r] = V::splat(weights[r * score_stride + p]);
      for (std::size_t k = 0; k < N; ++k) {
        const F value = load(row, k);
        for (std::size_t r = 0; r < R; ++r) sums[r][k] = V::fma(weight[r], value, sums[r][k]);
      }
    }
  };
  const std::size_t width = piece.value_width - column;
  if (width >= N * V::lanes)
    gather([column](const std::byte* row, std::size_t k) { return Row::load(row, column + k * V::lanes); });
  else
    gather([=](const std::byte* row, std::size_t k) {
      const std::size_t i = column + k * V::lanes;
      return k + 1 < N ? Row::load(row, i) : Row::load_part(row, i, width - k * V::lanes);
    });
  for (std::size_t r = 0; r < R; ++r)
    for (std::size_t k = 0; k < N; ++k) V::store(values + r * stride + k * V::lanes, sums[r][k]);
}

template <class V, class Row>
void attend_few_of(const AttentionPiece& piece) {
  const std::size_t rows = piece.tokens * piece.group, width = round_up(piece.key_width, V::lanes);
  Carver carver{piece.scratch};
  State<V> state(carver, rows, piece.value_width);
  float* const queries = carver.take(rows * width);
  float* const scores = carver.take(rows * score_stride);
  for (std::size_t row = 0; row < rows; ++row) {
    const float* from = piece.queries + row / piece.group * piece.query_stride + row % piece.group * piece.key_width;
    float* const to = queries + row * width;
    const auto scale = V::splat(piece.scale);
    for_each_vector<V>(piece.key_width,
                       [=](std::size_t i, std::size_t n) { V::store(to + i, V::mul(scale, load<V>(from + i, n))); });
  }
  for (std::size_t position = piece.begin; position < piece.end; position += tile) {
    const std::size_t n = piece.end - position < tile ? piece.end - position : tile;
    in_parts(rows, 4, [&](std::size_t row, auto count) {
      score_few<V, Row, count.value>(piece, queries + row * width, width, position, n, scores + row * score_stride);
    });
    soften_rows<V>(piece, state, 0, rows, position, scores, score_stride);
    in_parts(rows, 4, [&](std::size_t row, auto count) {
      constexpr std::size_t fit = most_sums<V> / count.value;
      in_parts(state.width / V::lanes, fit < 4 ? fit : 4, [&](std::size_t vector, auto vectors) {
        gather_few<V, Row, count.value, vectors.value>(
            piece, scores + row * score_stride, position, n, vector * V::lanes,
            state.values + row * state.width + vector * V::lanes, state.width);
      });
    });
  }
  state.finish(piece);
}

template <class V>
void attend_few(const AttentionPiece& piece) {
  switch (piece.type) {
    case RowType::f32:
      return attend_few_of<V, F32Row<V>>(piece);
    case RowType::f16:
      return attend_few_of<V, F16Row<V>>(piece);
    case RowType::q8_0:
      return attend_few_of<V, Q8Row<V>>(piece);
    case RowType::q4_0:
      return attend_few_of<V, Q4Row<V>>(piece);
  }
}

template <class V>
void merge_attention(const float* results, std::size_t stride, const float* maxima, const float* sums,
                     std::size_t row_stride, std::size_t count, std::size_t width, float* output) {
  float maximum = lowest;
  for (std::size_t i = 0; i < count; ++i) maximum = maxima[i * row_stride] > maximum ? maxima[i * row_stride] : maximum;
  float total = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto weight = exponential<V>(V::splat(maxima[i * row_stride] - maximum));
    total += V::maximum(weight) * sums[i * row_stride];
    const float* const from = results + i * stride;
    for_each_vector<V>(width, [=](std::size_t k, std::size_t n) {
      const auto before = i ? load<V>(output + k, n) : V::zero();
      store<V>(output + k, V::fma(weight, load<V>(from + k, n), before), n);
    });
  }
  scale_row<V>(output, total > 0 ? 1.0f / total : 0.0f, width);
}

}  // namespace
}  // namespace hearth::kernels
