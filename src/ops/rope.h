// Rotary position embedding. [arXiv 2104.09864; YaRN: arXiv 2309.00071]
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "tensor/view.h"

namespace hearth::ops {

enum class RopeScaling { none, linear, yarn };

struct RopeOptions {
  std::size_t dimensions = 0;  // rotated part of a head, even; the rest passes through
  float frequency_base = 10000;
  bool pairs_adjacent = false;  // (0,1)(2,3)... as in the Llama GGUF layout, else halves (0,d/2)... as in NeoX
  RopeScaling scaling = RopeScaling::none;
  float factor = 1;            // linear, yarn: context is stretched by this much
  float original_context = 0;  // yarn
  float extension_factor = 1, attention_factor = 1, beta_fast = 32, beta_slow = 1;  // yarn
  std::span<const float> frequency_factors =
      {};  // [dimensions / 2], divides each frequency (Llama 3, Phi-3 long); may be empty
};

// Angles are prepared once for an options set; rows are [tokens, heads * head_width].
class Rope {
 public:
  explicit Rope(const RopeOptions& options);
  // Rotates row i of x at positions[i].
  void forward(ThreadPool& pool, tensor::Rows x, std::size_t heads, std::span<const std::int32_t> positions) const;
  // The gradient: the rotation by the opposite angle.
  void backward(ThreadPool& pool, tensor::Rows dx, std::size_t heads, std::span<const std::int32_t> positions) const;

 private:
  void rotate(ThreadPool& pool, tensor::Rows x, std::size_t heads, std::span<const std::int32_t> positions,
              double direction) const;
  RopeOptions options_;
  std::vector<double> frequencies_;  // [dimensions / 2], all scalings applied
  double magnitude_ = 1;             // YaRN's factor on both sine and cosine
};

}  // namespace hearth::ops
