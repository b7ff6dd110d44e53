// Where results of a product go: bias, accumulation, and rows that do not fill a vector.
#pragma once

#include "kernels/matmul_kernels.h"

namespace hearth::kernels {
namespace {

// `values` are the products of rows [row, row + count) with one token.
template <class I>
void write(const ProductPiece& piece, std::size_t token, std::size_t row, std::size_t count, typename I::Float values) {
  float* const y = piece.output + token * piece.output_stride + row;
  if (count >= I::lanes) {
    if (piece.bias) values = I::add(values, I::load(piece.bias + row));
    I::store(y, piece.accumulate ? I::add(I::load(y), values) : values);
  } else {
    if (piece.bias) values = I::add(values, I::load_part(piece.bias + row, count));
    I::store_part(y, piece.accumulate ? I::add(I::load_part(y, count), values) : values, count);
  }
}

}  // namespace
}  // namespace hearth::kernels
