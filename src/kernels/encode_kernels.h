// Weights to blocks, at this processor's speed: the functions of tensor/encode/, byte for byte the same on every one.
#pragma once

#include <cstddef>

#include "tensor/type_id.h"

namespace hearth::kernels {

inline constexpr std::size_t type_numbers = 40;  // above every tensor::Type

struct EncodeKernels {
  // By the type's number, as TypeInfo::encode; null where it has none.
  void (*encode[type_numbers])(const float* weights, const float* importance, std::byte* blocks, std::size_t count);
};

}  // namespace hearth::kernels
