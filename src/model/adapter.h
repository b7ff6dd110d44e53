// Low-rank adapters, applied while a model runs: y += scale * B (A x). [LoRA: arXiv 2106.09685]
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "gguf/file.h"
#include "model/model.h"
#include "tensor/view.h"

namespace hearth::model {

struct LowRank {
  tensor::Matrix a;  // [rank, inputs]
  tensor::Matrix b;  // [outputs, rank]
  float scale = 1;   // alpha / rank
};

// Views of a mapped GGUF adapter file (TENSOR.lora_a and TENSOR.lora_b, adapter.lora.alpha), for one model.
class Adapter {
 public:
  // Throws bad_input for a file that is no LoRA adapter or one for another model (family or shapes), naming the tensor;
  // unsupported for tensors that cannot be adapted here (embeddings, norms, experts).
  static std::shared_ptr<const Adapter> open(const std::filesystem::path& path, const Model& model);
  static std::shared_ptr<const Adapter> open(gguf::File file, const Model& model);

  // Of the weight with this Linear::id; null where it is not adapted.
  const LowRank* find(std::uint32_t id) const noexcept {
    return id < by_id_.size() && by_id_[id].a ? &by_id_[id] : nullptr;
  }
  const gguf::File& file() const noexcept { return file_; }

 private:
  Adapter(gguf::File file, const Model& model);

  gguf::File file_;
  std::vector<LowRank> by_id_;
};

}  // namespace hearth::model
