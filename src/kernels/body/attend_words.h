// Many query rows in words: both products of attention by multiplications of 16-bit integers, two for the price of one
// of floats. Queries, keys and values are rounded to 11 to 15 bits with a scale for each row of a head; weights, which
// take the values' scales with them, to 14 bits of the largest of their row and tile. So a row's arithmetic depends on
// what it sees and nothing else, here too. For vectors that have such products.
#pragma once

#include "kernels/body/attend_few.h"
#include "kernels/body/attend_many.h"
#include "kernels/matmul/unroll.h"

namespace hearth::kernels {
namespace {

// The largest magnitudes whose sum of `depth` products fits in 31 bits.
struct WordRange {
  float left, right;
};
inline WordRange range_of_keys(std::size_t width) {
  const float products = 2147483520.0f / static_cast<float>(width);  // the float below 2^31
  const float query = static_cast<float>(static_cast<int>(__builtin_sqrtf(products / 2)));
  return {query, static_cast<float>(static_cast<int>(products / query))};
}
constexpr WordRange range_of_values{16383, 2047};  // 64 products

// Two numbers as one element of depth.
using Pair = std::int32_t;

// Columns are kept in panels of so many: [pairs][columns of the panel].
template <class V>
constexpr std::size_t word_panel = std::size_t{V::lanes} * V::product_vectors;

// Keys [depth][count positions] -> panels of pairs, with a scale for each position; count is whole vectors.
template <class V>
void keys_to_words(const float* from, std::size_t depth, std::size_t count, float most, Pair* to, float* scales) {
  const std::size_t all_pairs = (depth + 1) / 2;
  for (std::size_t column = 0; column < count; column += V::lanes) {
    const float* const x = from + column;
    auto largest = V::splat(1e-30f);
    for (std::size_t i = 0; i < depth; ++i) largest = V::max(largest, V::abs(V::load(x + i * count)));
    const auto inverse = V::div(V::splat(most), largest);
    V::store(scales + column, V::mul(largest, V::splat(1.0f / most)));
    Pair* const pairs = to + column / word_panel<V> * word_panel<V> * all_pairs + column % word_panel<V>;
    for (std::size_t i = 0; i < depth; i += 2) {
      const auto first = V::mul(inverse, V::load(x + i * count));
      const auto second = i + 1 < depth ? V::mul(inverse, V::load(x + (i + 1) * count)) : V::zero();
      V::store_pairs(pairs + i / 2 * word_panel<V>, first, second);
    }
  }
}

// Values [tile positions][count] -> panels of pairs of positions, with a scale for each position.
template <class V>
void values_to_words(const float* from, std::size_t count, float most, Pair* to, float* scales) {
  for (std::size_t p = 0; p < tile; p += 2) {
    const float* const rows[2] = {from + p * count, from + (p + 1) * count};
    typename V::Float inverse[2];
    for (std::size_t i = 0; i < 2; ++i) {
      auto largest = V::splat(1e-30f);
      for (std::size_t column = 0; column < count; column += V::lanes)
        largest = V::max(largest, V::abs(V::load(rows[i] + column)));
      const float magnitude = V::maximum(largest);
      inverse[i] = V::splat(most / magnitude);
      scales[p + i] = magnitude / most;
    }
    for (std::size_t column = 0; column < count; column += V::lanes)
      V::store_pairs(
          to + column / word_panel<V> * word_panel<V> * tile / 2 + p / 2 * word_panel<V> + column % word_panel<V>,
          V::mul(inverse[0], V::load(rows[0] + column)), V::mul(inverse[1], V::load(rows[1] + column)));
  }
}

// Queries, a row after the other in whole pairs of vectors, with a scale for each.
template <class V>
void queries_to_words(const AttentionPiece& piece, std::size_t rows, float most, std::int16_t* to, std::size_t stride,
                      float* scales) {
  const std::size_t width = piece.key_width;
  const auto part = [=](const float* x, std::size_t i) {
    return i + V::lanes <= width ? V::load(x + i) : i < width ? V::load_part(x + i, width - i) : V::zero();
  };
  for (std::size_t row = 0; row < rows; ++row) {
    const float* const x = piece.queries + row / piece.group * piece.query_stride + row % piece.group * width;
    auto largest = V::splat(1e-30f);
    for (std::size_t i = 0; i < width; i += V::lanes) largest = V::max(largest, V::abs(part(x, i)));
    const float magnitude = V::maximum(largest);
    const auto inverse = V::splat(most / magnitude);
    for (std::size_t i = 0; i < stride; i += 2 * V::lanes)
      V::store_words(to + row * stride + i, V::mul(inverse, part(x, i)), V::mul(inverse, part(x, i + V::lanes)));
    scales[row] = magnitude / most * piece.scale;
  }
}

// c [R, N vectors] = row scale * column scale * a [R, depth] b [depth, N vectors], whose columns are a panel's; or,
// without scales of columns, += that.
template <class V, int R, int N, bool add>
[[gnu::always_inline]] inline void word_product(const Pair* a, std::size_t a_stride, const float* row_scales,
                                                const Pair* b, const float* column_scales, std::size_t depth, float* c,
                                                std::size_t c_stride) {
  typename V::Words sums[R][N];
  unroll<R>(HEARTH_UNROLL(r) { unroll<N>(HEARTH_UNROLL(k) { sums[r][k] = V::no_words(); }); });
  for (const Pair* const end = a + depth; a != end; ++a, b += word_panel<V>) {
    typename V::Words columns[N];
    unroll<N>(HEARTH_UNROLL(k) { columns[k] = V::load_words(b + k * V::lanes); });
    unroll<R>(HEARTH_UNROLL(r) {
      const typename V::Words row = V::splat_pair(a[r * a_stride]);
      unroll<N>(HEARTH_UNROLL(k) { sums[r][k] = V::add_products(sums[r][k], row, columns[k]); });
    });
  }
  unroll<N>(HEARTH_UNROLL(k) {
    unroll<R>(HEARTH_UNROLL(r) {
      float* const to = c + r * c_stride + k * V::lanes;
      const auto product = V::to_floats(sums[r][k]), by = V::splat(row_scales[r]);
      V::store(to, add ? V::fma(product, by, V::load(to))
                       : V::mul(product, V::mul(by, V::load(column_scales + k * V::lanes))));
    });
  });
}

// The same for any number of columns.
template <class V, bool add>
[[gnu::noinline]] void word_columns(const Pair* a, std::size_t a_stride, const float* row_scales, const Pair* b,
                                    const float* column_scales, std::size_t depth, float* c, std::size_t c_stride,
                                    std::size_t columns) {
  constexpr int R = V::product_rows, N = V::product_vectors;
  std::size_t column = 0;
  for (; column + word_panel<V> <= columns; column += word_panel<V>, b += depth * word_panel<V>)
    word_product<V, R, N, add>(a, a_stride, row_scales, b, add ? nullptr : column_scales + column, depth, c + column,
                               c_stride);
  for (; column < columns; column += V::lanes, b += V::lanes)
    word_product<V, R, 1, add>(a, a_stride, row_scales, b, add ? nullptr : column_scales + column, depth, c + column,
                               c_stride);
}

template <class V, class Row>
void attend_words_of(const AttentionPiece& piece) {
  constexpr std::size_t R = V::product_rows, weights_stride = tile / 2;
  const std::size_t rows = piece.tokens * piece.group, all_rows = round_up(rows, R);
  const std::size_t stride = round_up(piece.key_width, 2 * V::lanes), pairs = (piece.key_width + 1) / 2;
  const WordRange range = range_of_keys(piece.key_width);
  Carver carver{piece.scratch};
  State<V> state(carver, all_rows, piece.value_width);
  float* const queries = carver.take(all_rows * stride / 2);
  float* const query_scales = carver.take(all_rows);
  float* const floats = carver.take((piece.key_width < state.width ? state.width : stride) * tile);
  float* const keys = carver.take(pairs * tile);
  float* const key_scales = carver.take(tile);
  float* const values = carver.take(tile / 2 * round_up(state.width, word_panel<V>));
  float* const value_scales = carver.take(tile);
  float* const scores = carver.take(R * tile);
  float* const weights = carver.take(R * weights_stride);
  float weight_scales[R] = {};
  const auto as_pairs = [](float* memory) { return reinterpret_cast<Pair*>(memory); };

  for (std::size_t i = rows * stride / 2; i < all_rows * stride / 2; ++i) queries[i] = 0;
  for (std::size_t row = rows; row < all_rows; ++row) query_scales[row] = 0;
  queries_to_words<V>(piece, rows, range.left, reinterpret_cast<std::int16_t*>(queries), stride, query_scales);
  for (std::size_t i = 0; i < R * weights_stride; ++i) weights[i] = 0;

  for (std::size_t position = piece.begin; position < piece.end; position += tile) {
    const std::size_t n = piece.end - position < tile ? piece.end - position : tile;
    turn_keys<FloatProduct<V>, Row>(piece, position, n, floats);
    keys_to_words<V>(floats, piece.key_width, tile, range.right, as_pairs(keys), key_scales);
    unpack_values<V, Row>(piece, position, n, state.width, floats);
    values_to_words<V>(floats, state.width, range_of_values.right, as_pairs(values), value_scales);
    for (std::size_t row = 0; row < rows; row += R) {
      const std::size_t end = rows - row < R ? rows : row + R;
      if (!any_visible(piece, row, end, position)) continue;
      word_columns<V, false>(as_pairs(queries) + row * stride / 2, stride / 2, query_scales + row, as_pairs(keys),
                             key_scales, pairs, scores, tile, tile);
      soften_rows<V>(piece, state, row, end, position, scores, tile, [&](std::size_t i, const auto& s) {
        constexpr std::size_t vectors = tile / V::lanes;
        typename V::Float w[vectors], largest = V::zero();
        for (std::size_t k = 0; k < vectors; ++k) {
          w[k] = V::mul(s[k], V::load(value_scales + k * V::lanes));
          largest = V::max(largest, w[k]);
        }
        const float magnitude = V::maximum(largest);
        const auto inverse = V::splat(magnitude > 1e-33f ? range_of_values.left / magnitude : 0.0f);
        weight_scales[i] = magnitude / range_of_values.left;
        auto* const to = reinterpret_cast<std::int16_t*>(weights + i * weights_stride);
        for (std::size_t k = 0; k < vectors; k += 2)
          V::store_words(to + k * V::lanes, V::mul(inverse, w[k]), V::mul(inverse, w[k + 1]));
      });
      word_columns<V, true>(as_pairs(weights), weights_stride, weight_scales, as_pairs(values), nullptr, tile / 2,
                            state.values + row * state.width, state.width, state.width);
    }
  }
  state.finish(piece);
}

// As exactly as float32 allows, or in words where that is faster.
template <class V>
void attend_many(const AttentionPiece& piece) {
  const auto attend = [&]<class Row>() {
    if constexpr (requires { typename V::Words; })
      if (!piece.exact && piece.type != RowType::f32) return attend_words_of<V, Row>(piece);
    attend_many_of<V, Row>(piece);
  };
  switch (piece.type) {
    case RowType::f32:
      return attend.template operator()<F32Row<V>>();
    case RowType::f16:
      return attend.template operator()<F16Row<V>>();
    case RowType::q8_0:
      return attend.template operator()<Q8Row<V>>();
    case RowType::q4_0:
      return attend.template operator()<Q4Row<V>>();
  }
}

// Floats of scratch that any way needs.
template <class V>
std::size_t attention_scratch(std::size_t rows, std::size_t key_width, std::size_t value_width) {
  const std::size_t all = round_up(rows, V::product_rows), keys = round_up(key_width, 2 * V::lanes);
  const std::size_t values = round_up(value_width, word_panel<V>);
  const std::size_t state = all * (1 + V::lanes + values), queries = all * (keys + 1);
  const std::size_t few = rows * score_stride;
  const std::size_t many = (keys + values + 2 * V::product_rows) * tile * 2 + 2 * tile;
  return state + queries + (few > many ? few : many) + 16 * 16;  // each part begins on a line
}

}  // namespace
}  // namespace hearth::kernels
