// 256 weights in 210 bytes: 6-bit codes (low four bits, then high two), 16 groups with signed 8-bit scales.
// weight = scale * group scale * (code - 32). [GGUF type 14]
#pragma once

#include "tensor/float16.h"
#include "tensor/type_id.h"

namespace hearth::tensor {

struct Q6_K {
  static constexpr Type type = Type::q6_k;
  static constexpr char name[] = "Q6_K";
  static constexpr std::size_t weights = 256;
  std::uint8_t low[128];
  std::uint8_t high[64];
  std::int8_t scales[16];
  std::uint16_t scale;
};
static_assert(sizeof(Q6_K) == 210);

// In each half of 128, quarter q of 32 has its low bits in bytes 32 (q % 2), half q / 2, and its high in bits 2 q.
static inline void decode(const Q6_K& block, float* out) {
  const float d = half_to_float(block.scale);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, quarter = i % 128 / 32, at = i % 32;
    const int code = (block.low[half * 64 + quarter % 2 * 32 + at] >> quarter / 2 * 4 & 15) |
                     (block.high[half * 32 + at] >> quarter * 2 & 3) << 4;
    out[i] = d * float(block.scales[i / 16]) * float(code - 32);
  }
}

}  // namespace hearth::tensor
