// 256 weights in 136 bytes: 8 groups of 32 as in IQ4_NL with 6-bit scales (low four bits, high two apart).
// weight = scale * (group scale - 32) * value[code]. [GGUF type 23]
#pragma once

#include "tensor/formats/iq4_nl.h"

namespace hearth::tensor {

struct Iq4_xs {
  static constexpr Type type = Type::iq4_xs;
  static constexpr char name[] = "IQ4_XS";
  static constexpr std::size_t weights = 256;
  std::uint16_t scale, scales_high;
  std::uint8_t scales_low[4];
  std::uint8_t codes[128];
};
static_assert(sizeof(Iq4_xs) == 136);

static inline int group_scale(const Iq4_xs& block, int group) {
  return ((block.scales_low[group / 2] >> group % 2 * 4 & 15) | (block.scales_high >> group * 2 & 3) << 4) - 32;
}
static inline void decode(const Iq4_xs& block, float* out) {
  const float d = half_to_float(block.scale);
  for (int group = 0; group < 8; ++group) {
    const float s = d * float(group_scale(block, group));
    for (int i = 0; i < 16; ++i) {
      out[group * 32 + i] = s * float(iq4_values[block.codes[group * 16 + i] & 15]);
      out[group * 32 + i + 16] = s * float(iq4_values[block.codes[group * 16 + i] >> 4]);
    }
  }
}

}  // namespace hearth::tensor
