// A model's tensors, bound by name to their places: views of the mapped file, shapes checked.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/file.h"
#include "model/hyperparameters.h"
#include "tensor/view.h"

namespace hearth::model {

// y = x W^T + bias.
struct Linear {
  tensor::Matrix weight;        // [outputs, inputs]
  const float* bias = nullptr;  // [outputs]
  std::uint32_t id = 0;         // of its tensor, in Weights::names
  std::size_t first_row = 0;    // where a fused tensor's rows begin to be this one's

  explicit operator bool() const noexcept { return bool(weight); }
};

// Absent, it is the identity.
struct NormWeight {
  const float* weight = nullptr;
  const float* bias = nullptr;

  explicit operator bool() const noexcept { return weight != nullptr; }
};

struct Experts {
  Linear router;                       // [experts, width]
  std::vector<Linear> gate, up, down;  // one an expert, views of one tensor
};

struct LayerWeights {
  NormWeight attention_norm, attention_branch_norm, attention_residual_norm;
  NormWeight ffn_norm, ffn_branch_norm, ffn_residual_norm;
  Linear query, key, value, output;  // the first three may be rows of one fused tensor
  NormWeight query_norm, key_norm;
  Linear gate, up, down;                    // dense; gate is absent where FeedForward::plain
  const float* activation_scale = nullptr;  // [feed_forward], divides the activation (AWQ) [arXiv 2306.00978]
  Experts experts;                          // empty where dense
};

struct Weights {
  tensor::Matrix token_embedding;     // [vocabulary, width]
  tensor::Matrix position_embedding;  // [positions, width], or absent
  const float* token_type = nullptr;  // [width], of the first type
  NormWeight embedding_norm, output_norm;
  Linear output;  // the embedding where the file ties them; absent for encoders
  std::vector<LayerWeights> layers;
  // Divisors of the rotary frequencies, [rotary.dimensions / 2] or empty: always, and by size of context.
  std::span<const float> rope_factors, rope_factors_short, rope_factors_long;

  std::vector<std::string_view> names;       // by Linear::id
  std::deque<std::vector<float>> converted;  // small tensors that the file holds in other types than F32
};

// Throws not_found naming a missing tensor, bad_input naming a tensor of a wrong shape (with both shapes) or one that
// the family does not have. Borrows `file`.
Weights bind_weights(const gguf::File& file, const Family& family, const Hyperparameters& hyperparameters);

}  // namespace hearth::model
