// The numbers of the element types, without the table: kernels read this under flags of their own.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hearth::tensor {

// Numbers are GGUF's own. [https://github.com/ggml-org/ggml/blob/master/docs/gguf.md]
enum class Type : std::uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q2_k = 10,
  q3_k = 11,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  iq4_nl = 20,
  iq4_xs = 23,
  i32 = 26,
  bf16 = 30,
  mxfp4 = 39,
};

}  // namespace hearth::tensor
