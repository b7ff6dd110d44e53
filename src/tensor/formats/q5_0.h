// 32 weights in 22 bytes: a scale, the codes' fifth bits (bit i for weight i), then their low four as in Q4_0.
// weight = scale * (code - 16). [GGUF type 6]
#pragma once

#include "tensor/float16.h"
#include "tensor/type.h"

namespace hearth::tensor {

struct Q5_0 {
  static constexpr Type type = Type::q5_0;
  static constexpr char name[] = "Q5_0";
  static constexpr std::size_t weights = 32;
  std::uint16_t scale;
  std::uint8_t high[4];
  std::uint8_t codes[16];

  void decode(float* out) const {
    const float d = half_to_float(scale);
    for (int i = 0; i < 16; ++i) {
      const int low_bit = high[i / 8] >> i % 8 & 1, high_bit = high[2 + i / 8] >> i % 8 & 1;
      out[i] = float(((codes[i] & 15) | low_bit << 4) - 16) * d;
      out[i + 16] = float((codes[i] >> 4 | high_bit << 4) - 16) * d;
    }
  }
};
static_assert(sizeof(Q5_0) == 22);

}  // namespace hearth::tensor
