// 256 weights in 176 bytes: Q4_K with a fifth bit for each code, bit g of byte i % 32 for group g. [GGUF type 13]
#pragma once

#include "tensor/formats/q4_k.h"

namespace hearth::tensor {

struct Q5_K {
  static constexpr Type type = Type::q5_k;
  static constexpr char name[] = "Q5_K";
  static constexpr std::size_t weights = 256;
  std::uint16_t scale, minimum;
  PackedScales scales;
  std::uint8_t high[32];
  std::uint8_t codes[128];

  void decode(float* out) const {
    const float d = half_to_float(scale), m = half_to_float(minimum);
    for (int i = 0; i < 256; ++i) {
      const int group = i / 32;
      const int low = codes[group / 2 * 32 + i % 32] >> group % 2 * 4 & 15;
      const int code = low | (high[i % 32] >> group & 1) << 4;
      out[i] = d * float(scales.scale(group)) * float(code) - m * float(scales.minimum(group));
    }
  }
};
static_assert(sizeof(Q5_K) == 176);

}  // namespace hearth::tensor
