// Plain numbers, a "block" of one. [GGUF types 0, 1, 30]
#pragma once

#include "tensor/float16.h"
#include "tensor/type_id.h"

namespace hearth::tensor {

struct F32 {
  static constexpr Type type = Type::f32;
  static constexpr char name[] = "F32";
  static constexpr std::size_t weights = 1;
  float value;
};
static inline void decode(const F32& block, float* out) {
  *out = block.value;
}

struct F16 {
  static constexpr Type type = Type::f16;
  static constexpr char name[] = "F16";
  static constexpr std::size_t weights = 1;
  std::uint16_t value;
};
static inline void decode(const F16& block, float* out) {
  *out = half_to_float(block.value);
}

struct Bf16 {
  static constexpr Type type = Type::bf16;
  static constexpr char name[] = "BF16";
  static constexpr std::size_t weights = 1;
  std::uint16_t value;
};
static inline void decode(const Bf16& block, float* out) {
  *out = bfloat_to_float(block.value);
}

}  // namespace hearth::tensor
