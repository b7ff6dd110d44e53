// 32 weights in 34 bytes: a scale and signed bytes. weight = scale * code. [GGUF type 8]
#pragma once

#include "tensor/float16.h"
#include "tensor/type_id.h"

namespace hearth::tensor {

struct Q8_0 {
  static constexpr Type type = Type::q8_0;
  static constexpr char name[] = "Q8_0";
  static constexpr std::size_t weights = 32;
  std::uint16_t scale;
  std::int8_t codes[32];
};
static_assert(sizeof(Q8_0) == 34);

static inline void decode(const Q8_0& block, float* out) {
  const float d = half_to_float(block.scale);
  for (int i = 0; i < 32; ++i) out[i] = float(block.codes[i]) * d;
}

}  // namespace hearth::tensor
