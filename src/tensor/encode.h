// Weights to blocks, and how blocks hold them: scales of groups, and codes.
#pragma once

#include <span>

#include "tensor/type.h"

namespace hearth::tensor {

// The function behind TypeInfo::encode; null where a format has no encoder.
decltype(TypeInfo::encode) encoder(Type type);

// weight = scale * values[code] + offset, scale and offset of the weight's group.
struct Coding {
  std::size_t group;              // weights
  std::span<const float> values;  // by code
  // One scale and offset for each group of `count` weights, a whole number of blocks.
  void (*read_groups)(const std::byte* blocks, float* scales, float* offsets, std::size_t count);
  // Replaces all codes; scales and offsets stay.
  void (*put_codes)(const std::uint8_t* codes, std::byte* blocks, std::size_t count);
  // Replaces all scales and offsets, rounded to half precision; null where groups share steps. Formats without offsets
  // leave `offsets` alone.
  void (*put_groups)(const float* scales, const float* offsets, std::byte* blocks, std::size_t count);
  bool has_offsets;
};

// Null for plain numbers.
const Coding* coding(Type type);

}  // namespace hearth::tensor
