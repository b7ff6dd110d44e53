// 256 weights in 144 bytes: 8 groups of 32 with 6-bit scales and minimums packed in 12 bytes; 4-bit codes, groups 2 j
// (low halves) and 2 j + 1 (high halves) in bytes 32 j. weight = scale * code - minimum. [GGUF type 12]
#pragma once

#include "tensor/float16.h"
#include "tensor/type_id.h"

namespace hearth::tensor {

// The scales and minimums of Q4_K and Q5_K: groups 0 to 3 in the low six bits of bytes 0 to 3 (scales) and 4 to 7
// (minimums); groups 4 to 7 have their low four in the halves of bytes 8 to 11, their high two on top of the former.
struct PackedScales {
  std::uint8_t bytes[12];
};
static inline int scale_of(const PackedScales& packed, int group) {
  const std::uint8_t* bytes = packed.bytes;
  return group < 4 ? bytes[group] & 63 : (bytes[group + 4] & 15) | bytes[group - 4] >> 6 << 4;
}
static inline int minimum_of(const PackedScales& packed, int group) {
  const std::uint8_t* bytes = packed.bytes;
  return group < 4 ? bytes[group + 4] & 63 : bytes[group + 4] >> 4 | bytes[group] >> 6 << 4;
}

struct Q4_K {
  static constexpr Type type = Type::q4_k;
  static constexpr char name[] = "Q4_K";
  static constexpr std::size_t weights = 256;
  std::uint16_t scale, minimum;
  PackedScales scales;
  std::uint8_t codes[128];
};
static_assert(sizeof(Q4_K) == 144);

static inline void decode(const Q4_K& block, float* out) {
  const float d = half_to_float(block.scale), m = half_to_float(block.minimum);
  for (int i = 0; i < 256; ++i) {
    const int group = i / 32;
    const int code = block.codes[group / 2 * 32 + i % 32] >> group % 2 * 4 & 15;
    out[i] = d * float(scale_of(block.scales, group)) * float(code) - m * float(minimum_of(block.scales, group));
  }
}

}  // namespace hearth::tensor
