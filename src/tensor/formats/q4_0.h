// 32 weights in 18 bytes: a scale, then 4-bit codes, weight i in the low half of byte i, weight i + 16 in the high
// half. weight = scale * (code - 8). [GGUF type 2]
#pragma once

#include "tensor/float16.h"
#include "tensor/type_id.h"

namespace hearth::tensor {

struct Q4_0 {
  static constexpr Type type = Type::q4_0;
  static constexpr char name[] = "Q4_0";
  static constexpr std::size_t weights = 32;
  std::uint16_t scale;
  std::uint8_t codes[16];
};
static_assert(sizeof(Q4_0) == 18);

static inline void decode(const Q4_0& block, float* out) {
  const float d = half_to_float(block.scale);
  for (int i = 0; i < 16; ++i) {
    out[i] = float((block.codes[i] & 15) - 8) * d;
    out[i + 16] = float((block.codes[i] >> 4) - 8) * d;
  }
}

}  // namespace hearth::tensor
