// A model's numbers, from its file's metadata, each checked, with the family's row resolved for this one file.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "gguf/file.h"
#include "model/families.h"
#include "ops/rope.h"

namespace hearth::model {

// Rotary settings that the caller wants in place of the file's. Empty: what the file says.
struct RopeOverride {
  std::optional<float> frequency_base = {};
  std::optional<ops::RopeScaling> scaling = {};
  std::optional<float> factor = {};  // without a scaling: the file's, or linear
  std::optional<float> original_context = {};
};

struct Rotary {
  std::size_t dimensions = 0;  // 0: the family does not rotate
  float base = 10000;
  float local_base = 10000;  // of sliding layers, where LocalRope::unscaled
  ops::RopeScaling scaling = ops::RopeScaling::none;
  float factor = 1;
  std::size_t original_context = 0;
  float extension_factor = 1, attention_factor = 1, beta_fast = 32, beta_slow = 1;
};

struct Mixture {
  std::size_t experts = 0;  // 0: one dense feed-forward
  std::size_t used = 0;     // by each token
  std::size_t feed_forward = 0;
  bool normalised = true;  // the used experts' weights sum to 1
  float scale = 1;
};

struct Hyperparameters {
  std::size_t context_length = 0;
  std::size_t vocabulary = 0;
  std::size_t width = 0;
  std::size_t layers = 0;
  std::size_t feed_forward = 0;
  std::size_t heads = 0, heads_kv = 0;
  std::size_t key_width = 0, value_width = 0;  // of one head

  Wiring wiring = Wiring::pre_norm;
  QkNorm qk_norm = QkNorm::none;
  float norm_epsilon = 0;

  bool causal = true;
  float attention_scale = 0;
  float attention_softcap = 0, logit_softcap = 0;  // 0: none
  float alibi_bias = 0;                            // 0: none
  float qkv_clamp = 0;                             // 0: none
  std::size_t window = 0;
  std::vector<bool> sliding;  // [layers]: sees the window only
  std::vector<bool> rotated;  // [layers]

  float embedding_scale = 1, residual_scale = 1, logit_scale = 1;
  Rotary rotary;
  Mixture mixture;

  bool parallel() const { return wiring == Wiring::parallel_one || wiring == Wiring::parallel_two; }
};

// Throws not_found for a missing key, bad_input naming the key, its value and the range it must lie in, unsupported for
// values that mean something this program does not do.
Hyperparameters read_hyperparameters(const gguf::File& file, const Family& family, const RopeOverride& rope = {});

}  // namespace hearth::model
