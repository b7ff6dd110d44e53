// 32 weights in 20 bytes: a scale, a minimum, 4-bit codes as in Q4_0. weight = scale * code + minimum. [GGUF type 3]
#pragma once

#include "tensor/float16.h"
#include "tensor/type_id.h"

namespace hearth::tensor {

struct Q4_1 {
  static constexpr Type type = Type::q4_1;
  static constexpr char name[] = "Q4_1";
  static constexpr std::size_t weights = 32;
  std::uint16_t scale, minimum;
  std::uint8_t codes[16];
};
static_assert(sizeof(Q4_1) == 20);

static inline void decode(const Q4_1& block, float* out) {
  const float d = half_to_float(block.scale), m = half_to_float(block.minimum);
  for (int i = 0; i < 16; ++i) {
    out[i] = float(block.codes[i] & 15) * d + m;
    out[i + 16] = float(block.codes[i] >> 4) * d + m;
  }
}

}  // namespace hearth::tensor
