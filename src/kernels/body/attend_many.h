// Many query rows: a tile of keys is turned around and a tile of values unpacked once for all rows, and both products
// are small matrix products in registers.
#pragma once

#include "kernels/body/attention.h"

namespace hearth::kernels {
namespace {

// Products in float32. A product kind says what one element of depth is, and multiplies one by a vector of columns.
template <class V>
struct FloatProduct {
  using Vectors = V;
  using Element = float;
  static constexpr std::size_t depth = 1;  // numbers in an element

  static typename V::Float step(typename V::Float sum, const Element* a, const Element* b) {
    return V::fma(V::splat(*a), V::load(b), sum);
  }
  template <class Row>
  static typename V::Float key(const std::byte* row, std::size_t element) {
    return Row::load(row, element);
  }
  template <class Row>
  static typename V::Float key_part(const std::byte* row, std::size_t element, std::size_t rest) {
    return Row::load_part(row, element, rest);
  }
};

// c [R, N vectors] = or += a [R, depth] b [depth, N vectors]
template <class Product, std::size_t R, std::size_t N, bool add>
void product(const typename Product::Element* a, std::size_t a_stride, const typename Product::Element* b,
             std::size_t b_stride, std::size_t depth, float* c, std::size_t c_stride) {
  using V = typename Product::Vectors;
  typename V::Float sums[R][N];
#pragma GCC unroll 8
  for (std::size_t r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (std::size_t k = 0; k < N; ++k) sums[r][k] = add ? V::load(c + r * c_stride + k * V::lanes) : V::zero();
  for (std::size_t i = 0; i < depth; ++i, b += b_stride)
#pragma GCC unroll 8
    for (std::size_t r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (std::size_t k = 0; k < N; ++k)
        sums[r][k] = Product::step(sums[r][k], a + r * a_stride + i, b + k * V::lanes);
#pragma GCC unroll 8
  for (std::size_t r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (std::size_t k = 0; k < N; ++k) V::store(c + r * c_stride + k * V::lanes, sums[r][k]);
}

template <class Product, bool add>
void product_columns(const typename Product::Element* a, std::size_t a_stride, const typename Product::Element* b,
                     std::size_t b_stride, std::size_t depth, float* c, std::size_t c_stride, std::size_t columns) {
  using V = typename Product::Vectors;
  in_parts(columns / V::lanes, V::product_vectors, [=](std::size_t vector, auto count) {
    product<Product, V::product_rows, count.value, add>(a, a_stride, b + vector * V::lanes, b_stride, depth,
                                                        c + vector * V::lanes, c_stride);
  });
}

// keys [n positions] -> [elements of width][tile], the rest of the tile zero
template <class Product, class Row>
void turn_keys(const AttentionPiece& piece, std::size_t position, std::size_t n, typename Product::Element* out) {
  using V = typename Product::Vectors;
  const std::size_t elements = (piece.key_width + Product::depth - 1) / Product::depth;
  for (std::size_t p = 0; p < tile; p += V::lanes)
    for (std::size_t i = 0; i < elements; i += V::lanes) {
      const std::size_t width = elements - i < V::lanes ? elements - i : V::lanes;
      const std::size_t rest = piece.key_width - i * Product::depth;
      typename V::Float block[V::lanes];
      for (std::size_t j = 0; j < V::lanes; ++j) {
        const std::byte* row = piece.keys + (position + p + j) * piece.key_bytes;
        if (p + j >= n)
          block[j] = V::zero();
        else if (rest >= V::lanes * Product::depth)
          block[j] = Product::template key<Row>(row, i);
        else
          block[j] = Product::template key_part<Row>(row, i, rest);
      }
      V::transpose(block);
      for (std::size_t j = 0; j < width; ++j) V::store(reinterpret_cast<float*>(out + (i + j) * tile + p), block[j]);
    }
}

// values [n positions] -> [elements of tile][width], the rest of the tile zero
template <class V, class Row>
void unpack_values(const AttentionPiece& piece, std::size_t position, std::size_t n, std::size_t width, float* out) {
  const std::size_t whole = piece.value_width / V::lanes * V::lanes;
  for (std::size_t p = 0; p < tile; ++p, out += width) {
    const std::byte* row = piece.values + (position + p) * piece.value_bytes;
    for (std::size_t i = 0; i < width; i += V::lanes)
      V::store(out + i, p >= n      ? V::zero()
                        : i < whole ? Row::load(row, i)
                                    : Row::load_part(row, i, piece.value_width - i));
  }
}

// Whether rows [row, end) see anything of the tile.
inline bool any_visible(const AttentionPiece& piece, std::size_t row, std::size_t end, std::size_t position) {
  return Visible(piece, (end - 1) / piece.group).end > position &&
         Visible(piece, row / piece.group).begin < position + tile;
}

template <class V, class Row>
void attend_many_of(const AttentionPiece& piece) {
  using Product = FloatProduct<V>;
  constexpr std::size_t R = V::product_rows;
  const std::size_t rows = piece.tokens * piece.group, all_rows = round_up(rows, R);
  Carver carver{piece.scratch};
  State<V> state(carver, all_rows, piece.value_width);
  float* const queries = carver.take(all_rows * piece.key_width);
  float* const keys = carver.take(round_up(piece.key_width, V::lanes) * tile);
  float* const values = carver.take(tile * state.width);
  float* const scores = carver.take(R * tile);
  for (std::size_t row = 0; row < all_rows; ++row) {
    const float* from = piece.queries + row / piece.group * piece.query_stride + row % piece.group * piece.key_width;
    for (std::size_t i = 0; i < piece.key_width; ++i)
      queries[row * piece.key_width + i] = row < rows ? piece.scale * from[i] : 0.0f;
  }
  for (std::size_t position = piece.begin; position < piece.end; position += tile) {
    const std::size_t n = piece.end - position < tile ? piece.end - position : tile;
    turn_keys<Product, Row>(piece, position, n, keys);
    unpack_values<V, Row>(piece, position, n, state.width, values);
    for (std::size_t row = 0; row < rows; row += R) {
      const std::size_t end = rows - row < R ? rows : row + R;
      if (!any_visible(piece, row, end, position)) continue;
      product_columns<Product, false>(queries + row * piece.key_width, piece.key_width, keys, tile, piece.key_width,
                                      scores, tile, tile);
      soften_rows<V>(piece, state, row, end, position, scores, tile);
      product_columns<Product, true>(scores, tile, values, state.width, tile, state.values + row * state.width,
                                     state.width, state.width);
    }
  }
  state.finish(piece);
}

}  // namespace
}  // namespace hearth::kernels
