// A copy of a model whose weights may be replaced while it is open: to try what compressing one tensor does, and to run
// later layers on what earlier ones have become.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

#include "model/model.h"
#include "tensor/view.h"

namespace hearth::compress {

class WorkingCopy {
 public:
  enum class Form { unpacked, as_it_is };
  // Unpacked: compressed tensors become half precision, so that `replace` can hold any weights. The copy stands in
  // `folder` without a name: the system removes it with the process, however that ends.
  WorkingCopy(const gguf::File& original, const std::filesystem::path& folder, Form form = Form::unpacked);
  ~WorkingCopy();
  WorkingCopy(const WorkingCopy&) = delete;
  WorkingCopy& operator=(const WorkingCopy&) = delete;

  const model::Model& model() const noexcept { return *model_; }
  // Rows [first, first + rows.count) of the tensor, all its slices seen as one matrix. Not while the model runs.
  void replace(std::string_view tensor, std::size_t first, tensor::ConstRows rows);
  // All of a tensor's bytes, in the copy's own format.
  void replace(std::string_view tensor, std::span<const std::byte> bytes);
  // The same rows as in the original.
  void restore(std::string_view tensor, const gguf::File& original);

 private:
  void write(std::uint64_t at, std::span<const std::byte> bytes);
  int file_ = -1;
  std::shared_ptr<const model::Model> model_;
};

}  // namespace hearth::compress
