// 256 weights in 110 bytes: 3-bit codes (a high-bit mask, bit i / 32 of byte i % 32, inverted sense; low two bits as in
// Q2_K), 16 groups with 6-bit scales packed in 12 bytes. weight = scale * (group scale - 32) * (code - 4). [GGUF type
// 11]
#pragma once

#include "tensor/float16.h"
#include "tensor/type_id.h"

namespace hearth::tensor {

struct Q3_K {
  static constexpr Type type = Type::q3_k;
  static constexpr char name[] = "Q3_K";
  static constexpr std::size_t weights = 256;
  std::uint8_t high[32];
  std::uint8_t codes[64];
  std::uint8_t scales[12];
  std::uint16_t scale;
};
static_assert(sizeof(Q3_K) == 110);

// Low four bits in bytes 0 to 7 (groups 8 to 15 in the high halves), high two in bytes 8 to 11.
static inline int group_scale(const Q3_K& block, int group) {
  const int low = block.scales[group % 8] >> group / 8 * 4 & 15;
  return (low | (block.scales[8 + group % 4] >> group / 4 * 2 & 3) << 4) - 32;
}
static inline void decode(const Q3_K& block, float* out) {
  const float d = half_to_float(block.scale);
  for (int i = 0; i < 256; ++i) {
    const float group = d * float(group_scale(block, i / 16));
    const int low = block.codes[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3;
    out[i] = group * float(low - (block.high[i % 32] >> i / 32 & 1 ? 0 : 4));
  }
}

}  // namespace hearth::tensor
