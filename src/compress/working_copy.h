// A copy of a model whose weights may be replaced while it is open: to try what compressing one tensor does, and to run
// later layers on what earlier ones have become.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "model/model.h"
#include "tensor/view.h"

namespace hearth::compress {

class WorkingCopy {
 public:
  // Compressed tensors are unpacked to half precision. The copy stands in `folder` without a name: the system removes
  // it with the process, however that ends.
  WorkingCopy(const gguf::File& original, const std::filesystem::path& folder);
  ~WorkingCopy();
  WorkingCopy(const WorkingCopy&) = delete;
  WorkingCopy& operator=(const WorkingCopy&) = delete;

  const model::Model& model() const noexcept { return *model_; }
  // Rows [first, first + rows.count) of the tensor, all its slices seen as one matrix. Not while the model runs.
  void replace(std::string_view tensor, std::size_t first, tensor::ConstRows rows);
  // The same rows as in the original.
  void restore(std::string_view tensor, const gguf::File& original);

 private:
  int file_ = -1;
  std::shared_ptr<const model::Model> model_;
};

}  // namespace hearth::compress
