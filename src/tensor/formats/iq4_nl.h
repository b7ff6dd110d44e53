// 32 weights in 18 bytes: a scale, then 4-bit codes as in Q4_0, looked up in sixteen values that lie closer around
// zero. weight = scale * value[code]. [GGUF type 20]
#pragma once

#include "tensor/float16.h"
#include "tensor/type_id.h"

namespace hearth::tensor {

constexpr std::int8_t iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

struct Iq4_nl {
  static constexpr Type type = Type::iq4_nl;
  static constexpr char name[] = "IQ4_NL";
  static constexpr std::size_t weights = 32;
  std::uint16_t scale;
  std::uint8_t codes[16];
};
static_assert(sizeof(Iq4_nl) == 18);

static inline void decode(const Iq4_nl& block, float* out) {
  const float d = half_to_float(block.scale);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * float(iq4_values[block.codes[i] & 15]);
    out[i + 16] = d * float(iq4_values[block.codes[i] >> 4]);
  }
}

}  // namespace hearth::tensor
