// Element types: how weights are written in a file. One row a format, generated from formats/formats.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "tensor/type_id.h"

namespace hearth::tensor {

struct TypeInfo {
  Type type;
  std::string_view name;      // as GGUF tools print it: "Q4_K"
  std::size_t block_weights;  // weights in a block; a row is a whole number of blocks
  std::size_t block_bytes;
  // blocks -> weights; `count` is a multiple of block_weights. The definition of the format.
  void (*decode)(const std::byte* blocks, float* weights, std::size_t count);
  // weights -> blocks, least (importance-weighted) squared error; importance may be null, else one number >= 0 a
  // weight. Null where the type holds no weights (i32).
  void (*encode)(const float* weights, const float* importance, std::byte* blocks, std::size_t count);
};

// Every type this program knows, in the order of their numbers.
std::span<const TypeInfo> types();

// Null where the number or name is unknown. Names are matched without regard to case.
const TypeInfo* find_type(std::uint32_t number);
const TypeInfo* find_type(std::string_view name);

const TypeInfo& info(Type type);

// Bytes of a row of `columns` weights; columns must be a multiple of block_weights.
inline std::size_t row_bytes(Type type, std::size_t columns) {
  const TypeInfo& t = info(type);
  return columns / t.block_weights * t.block_bytes;
}

}  // namespace hearth::tensor
