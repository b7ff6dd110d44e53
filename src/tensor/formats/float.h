// Plain numbers, a "block" of one. [GGUF types 0, 1, 30]
#pragma once

#include "tensor/float16.h"
#include "tensor/type.h"

namespace hearth::tensor {

struct F32 {
  static constexpr Type type = Type::f32;
  static constexpr char name[] = "F32";
  static constexpr std::size_t weights = 1;
  float value;
  void decode(float* out) const { *out = value; }
};

struct F16 {
  static constexpr Type type = Type::f16;
  static constexpr char name[] = "F16";
  static constexpr std::size_t weights = 1;
  std::uint16_t value;
  void decode(float* out) const { *out = half_to_float(value); }
};

struct Bf16 {
  static constexpr Type type = Type::bf16;
  static constexpr char name[] = "BF16";
  static constexpr std::size_t weights = 1;
  std::uint16_t value;
  void decode(float* out) const { *out = bfloat_to_float(value); }
};

}  // namespace hearth::tensor
