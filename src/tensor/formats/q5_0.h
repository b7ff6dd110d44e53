// 32 weights in 22 bytes: a scale, the codes' fifth bits (bit i for weight i), then their low four as in Q4_0.
// weight = scale * (code - 16). [GGUF type 6]
#pragma once

#include "tensor/float16.h"
#include "tensor/type_id.h"

namespace hearth::tensor {

struct Q5_0 {
  static constexpr Type type = Type::q5_0;
  static constexpr char name[] = "Q5_0";
  static constexpr std::size_t weights = 32;
  std::uint16_t scale;
  std::uint8_t high[4];
  std::uint8_t codes[16];
};
static_assert(sizeof(Q5_0) == 22);

static inline void decode(const Q5_0& block, float* out) {
  const float d = half_to_float(block.scale);
  for (int i = 0; i < 16; ++i) {
    const int low_bit = block.high[i / 8] >> i % 8 & 1, high_bit = block.high[2 + i / 8] >> i % 8 & 1;
    out[i] = float(((block.codes[i] & 15) | low_bit << 4) - 16) * d;
    out[i + 16] = float((block.codes[i] >> 4 | high_bit << 4) - 16) * d;
  }
}

}  // namespace hearth::tensor
