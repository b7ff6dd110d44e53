// 32 weights in 24 bytes: Q5_0 with a minimum. weight = scale * code + minimum. [GGUF type 7]
#pragma once

#include "tensor/float16.h"
#include "tensor/type.h"

namespace hearth::tensor {

struct Q5_1 {
  static constexpr Type type = Type::q5_1;
  static constexpr char name[] = "Q5_1";
  static constexpr std::size_t weights = 32;
  std::uint16_t scale, minimum;
  std::uint8_t high[4];
  std::uint8_t codes[16];

  void decode(float* out) const {
    const float d = half_to_float(scale), m = half_to_float(minimum);
    for (int i = 0; i < 16; ++i) {
      const int low_bit = high[i / 8] >> i % 8 & 1, high_bit = high[2 + i / 8] >> i % 8 & 1;
      out[i] = float((codes[i] & 15) | low_bit << 4) * d + m;
      out[i + 16] = float(codes[i] >> 4 | high_bit << 4) * d + m;
    }
  }
};
static_assert(sizeof(Q5_1) == 24);

}  // namespace hearth::tensor
