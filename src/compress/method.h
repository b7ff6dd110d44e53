// The interface of the methods: each chooses the blocks of one matrix's rows, in its own way.
#pragma once

#include <memory>
#include <string_view>

#include "base/thread_pool.h"
#include "compress/importance.h"
#include "tensor/view.h"

namespace hearth::compress {

// Which matrix: slice `expert` of the tensor.
struct MatrixName {
  std::string_view tensor;
  std::size_t expert = 0;
};

// One matrix's encoder. Rows do not depend on each other; several threads may encode at once.
class RowEncoder {
 public:
  virtual ~RowEncoder() = default;
  // Rows of the matrix to blocks, row after row.
  virtual void encode(tensor::ConstRows rows, std::byte* blocks) const = 0;
  // What is best encoded together.
  virtual std::size_t rows_at_once() const { return 16; }
};

// nearest.cpp: least squared error; with importance, weighted by that of the columns (where the matrix has any).
std::unique_ptr<RowEncoder> nearest_encoder(tensor::Type type, std::size_t columns, const Importance* importance,
                                            MatrixName matrix);

}  // namespace hearth::compress
