// 32 weights in 24 bytes: Q5_0 with a minimum. weight = scale * code + minimum. [GGUF type 7]
#pragma once

#include "tensor/float16.h"
#include "tensor/type_id.h"

namespace hearth::tensor {

struct Q5_1 {
  static constexpr Type type = Type::q5_1;
  static constexpr char name[] = "Q5_1";
  static constexpr std::size_t weights = 32;
  std::uint16_t scale, minimum;
  std::uint8_t high[4];
  std::uint8_t codes[16];
};
static_assert(sizeof(Q5_1) == 24);

static inline void decode(const Q5_1& block, float* out) {
  const float d = half_to_float(block.scale), m = half_to_float(block.minimum);
  for (int i = 0; i < 16; ++i) {
    const int low_bit = block.high[i / 8] >> i % 8 & 1, high_bit = block.high[2 + i / 8] >> i % 8 & 1;
    out[i] = float((block.codes[i] & 15) | low_bit << 4) * d + m;
    out[i + 16] = float(block.codes[i] >> 4 | high_bit << 4) * d + m;
  }
}

}  // namespace hearth::tensor
