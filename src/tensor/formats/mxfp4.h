// 32 weights in 17 bytes: a power of two (E8M0), then 4-bit floats (E2M1), placed as in Q4_0.
// [GGUF type 39; OCP Microscaling Formats 1.0]
#pragma once

#include "tensor/float16.h"
#include "tensor/type_id.h"

namespace hearth::tensor {

constexpr std::int8_t mxfp4_doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

struct Mxfp4 {
  static constexpr Type type = Type::mxfp4;
  static constexpr char name[] = "MXFP4";
  static constexpr std::size_t weights = 32;
  std::uint8_t exponent;
  std::uint8_t codes[16];
};
static_assert(sizeof(Mxfp4) == 17);

// 2^(exponent - 128): half the scale, since the table holds doubled values.
static inline float half_scale(const Mxfp4& block) {
  return from_bits(block.exponent < 2 ? 0x00200000u << block.exponent : std::uint32_t(block.exponent - 1) << 23);
}
static inline void decode(const Mxfp4& block, float* out) {
  const float d = half_scale(block);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * float(mxfp4_doubled[block.codes[i] & 15]);
    out[i + 16] = d * float(mxfp4_doubled[block.codes[i] >> 4]);
  }
}

}  // namespace hearth::tensor
