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
};
static_assert(sizeof(Q5_K) == 176);

static inline void decode(const Q5_K& block, float* out) {
  const float d = half_to_float(block.scale), m = half_to_float(block.minimum);
  for (int i = 0; i < 256; ++i) {
    const int group = i / 32;
    const int low = block.codes[group / 2 * 32 + i % 32] >> group % 2 * 4 & 15;
    const int code = low | (block.high[i % 32] >> group & 1) << 4;
    out[i] = d * float(scale_of(block.scales, group)) * float(code) - m * float(minimum_of(block.scales, group));
  }
}

}  // namespace hearth::tensor
