// 256 weights in 84 bytes: 16 groups of 16, each a 4-bit scale (low) and a 4-bit minimum (high); 2-bit codes, weight
// 128 h + 32 s + i in bits 2 s of byte 32 h + i; two scales for the scales. weight = scale * code - minimum. [GGUF type
// 10]
#pragma once

#include "tensor/float16.h"
#include "tensor/type_id.h"

namespace hearth::tensor {

struct Q2_K {
  static constexpr Type type = Type::q2_k;
  static constexpr char name[] = "Q2_K";
  static constexpr std::size_t weights = 256;
  std::uint8_t scales[16];
  std::uint8_t codes[64];
  std::uint16_t scale, minimum;
};
static_assert(sizeof(Q2_K) == 84);

static inline void decode(const Q2_K& block, float* out) {
  const float d = half_to_float(block.scale), m = half_to_float(block.minimum);
  for (int i = 0; i < 256; ++i) {
    const int group = i / 16;
    const float group_scale = d * float(block.scales[group] & 15), group_minimum = m * float(block.scales[group] >> 4);
    out[i] = group_scale * float(block.codes[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3) - group_minimum;
  }
}

}  // namespace hearth::tensor
