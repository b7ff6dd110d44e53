// One function a format: what the table of types and the kernels' tables are filled from.
#pragma once

#include "tensor/encode/super_blocks.h"
#include "tensor/formats/float.h"
#include "tensor/type_id.h"

namespace hearth::tensor {
namespace {

inline void encode(const float* weights, const float*, F32* blocks, std::size_t count) {
  __builtin_memcpy(blocks, weights, count * sizeof(float));
}
inline void encode(const float* weights, const float*, F16* blocks, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) blocks[i].value = float_to_half(weights[i]);
}
inline void encode(const float* weights, const float*, Bf16* blocks, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) blocks[i].value = float_to_bfloat(weights[i]);
}

// As TypeInfo::encode.
template <class Block>
inline void encode_as(const float* weights, const float* importance, std::byte* blocks, std::size_t count) {
  encode(weights, importance, reinterpret_cast<Block*>(blocks), count);
}

}  // namespace
}  // namespace hearth::tensor
