// Views of memory that something else owns.
#pragma once

#include <cstddef>

#include "tensor/type.h"

namespace hearth::tensor {

// A weight matrix in its file's own format: [rows, columns], rows one after another. y = x W^T.
struct Matrix {
  Type type = Type::f32;
  const std::byte* data = nullptr;
  std::size_t rows = 0;     // outputs
  std::size_t columns = 0;  // inputs; contiguous

  explicit operator bool() const noexcept { return data != nullptr; }
  std::size_t row_bytes() const { return tensor::row_bytes(type, columns); }
  std::size_t bytes() const { return rows * row_bytes(); }
  const std::byte* row(std::size_t index) const { return data + index * row_bytes(); }
  // Rows [begin, begin + count) of the same matrix.
  Matrix slice(std::size_t begin, std::size_t count) const { return {type, row(begin), count, columns}; }
};

// Activations: [count, width] float32, row i at data + i * stride.
template <class T>
struct RowsOf {
  T* data = nullptr;
  std::size_t count = 0;
  std::size_t width = 0;
  std::size_t stride = 0;

  RowsOf() = default;
  RowsOf(T* d, std::size_t c, std::size_t w) : data(d), count(c), width(w), stride(w) {}
  RowsOf(T* d, std::size_t c, std::size_t w, std::size_t s) : data(d), count(c), width(w), stride(s) {}
  template <class U>
  requires(!__is_same(U, T)) RowsOf(const RowsOf<U>& other)
      : data(other.data), count(other.count), width(other.width), stride(other.stride) {}

  T* row(std::size_t index) const { return data + index * stride; }
};
using Rows = RowsOf<float>;
using ConstRows = RowsOf<const float>;

}  // namespace hearth::tensor
