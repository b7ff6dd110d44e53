// What each tensor of the GGUF file is made of, and making it: a few rows at a time.
#pragma once

#include <functional>
#include <vector>

#include "base/thread_pool.h"
#include "convert/family.h"
#include "convert/hyperparameters.h"
#include "convert/safetensors.h"
#include "gguf/writer.h"

namespace hearth::convert {

// Rows [first_row, first_row + rows) of a tensor of the checkpoint, all its dimensions but the last folded into rows.
struct Piece {
  const SourceTensor* tensor = nullptr;
  std::uint64_t first_row = 0, rows = 0;
};

// Which row of the checkpoint's becomes this one of the file's; null: the same.
using RowOrder = std::function<std::uint64_t(std::uint64_t)>;

struct PlannedTensor {
  gguf::TensorPlan plan;
  std::vector<Piece> pieces = {};  // one below the other
  bool transposed = false;         // the one piece is [columns, rows]
  float added = 0;                 // to every weight
  float factor = 1;                // of every weight
  std::function<std::uint64_t(std::uint64_t)> row_from =
      {};                          // which row of the pieces becomes this one; null: the same
  std::vector<float> values = {};  // in place of pieces

  std::uint64_t columns() const { return plan.shape[0]; }
  std::uint64_t rows() const;
};

// Every tensor of the checkpoint mapped, checked and put in the order of the model. Throws bad_input naming a tensor of
// another shape than the config says (expected and found), not_found naming what is missing.
std::vector<PlannedTensor> plan_tensors(const Family& family, const JsonObject& config, const Dimensions& dimensions,
                                        const Safetensors& checkpoint, tensor::Type type);

// Of the rows of the file's tensor `name`, of whose heads `rotated` numbers are rotated.
RowOrder row_order(const Family& family, const Dimensions& dimensions, std::uint64_t rotated, std::string_view name);

// The type a tensor is kept in where `wanted` is asked for: vectors, norms, routers and the small tables stay F32, and
// what is not a whole number of blocks wide becomes F16.
tensor::Type kept_type(std::string_view name, const std::vector<std::uint64_t>& shape, tensor::Type wanted);

// Calls `sink` with the bytes of the tensor.
void produce(const PlannedTensor& tensor, const Safetensors& checkpoint, ThreadPool& pool, const gguf::Sink& sink);

}  // namespace hearth::convert
