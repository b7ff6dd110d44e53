#include "model/work.h"

namespace hearth::model {

Work work_of(const gguf::File& file, const Hyperparameters& numbers) {
  const bool tied = !file.find("output.weight");
  Work work;
  for (const gguf::Tensor& tensor : file.tensors()) {
    const bool embedding = tensor.name.starts_with("token_embd."), output = tensor.name.starts_with("output.");
    const bool places = tensor.name.starts_with("position_embd.") || tensor.name.starts_with("token_types.");
    if (tensor.shape.size() < 2 || places || (embedding && !tied)) continue;
    double share = 1;  // of a stack of experts, those that a token is sent to
    if (tensor.shape.size() == 3 && numbers.mixture.experts)
      share = double(numbers.mixture.used) / double(numbers.mixture.experts);
    work.weight_bytes += std::size_t(double(tensor.data.size()) * share);
    (embedding || output ? work.output_multiply_adds : work.multiply_adds) += double(tensor.elements()) * share;
  }
  work.attention_multiply_adds = double(numbers.layers * numbers.heads * (numbers.key_width + numbers.value_width));
  return work;
}

}  // namespace hearth::model
