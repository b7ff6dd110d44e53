// Products of activations with weights in their file's own format. Pointers in, numbers out: no threads, allocation or
// exceptions. Included by isa/*.cpp, so no std templates.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/type.h"

namespace hearth::kernels {

// How many bytes before their use a single token's weights are asked for: into the second cache, into the first.
constexpr std::size_t fetch_far = 8192, fetch_near = 2048;

// How a product reads its activations: as they are, or packed beforehand, once for all products that share them.
// Turned: tokens side by side, as a tile's second factor takes them.
enum class Form : std::uint8_t {
  f32,
  int8,
  int8_quads,
  mixed_quads,
  wide_quads,
  fine_quads,
  int8_tiles,
  int8_several,
  int8_blocks,
  fine_blocks,
  int16,
  bf16,
  bf16_turned
};
inline constexpr std::size_t forms = 13;
inline constexpr std::size_t packed_together = 4;  // tokens: pieces to pack begin at a multiple

// Where the processor leaves a choice: whose activations are rounded less than a single token's. Outliers are values
// far above the rest of their token, which cause most of what rounding does; they are set aside, for a prompt that all
// of an answer depends on too (nobody's: the farthest, where 64 columns share a scale). Rough does so but may round
// weights, for products of which those that matter are computed again (nobody: IQ4's on AVX2). Rough, outliers,
// everyone: as is measured, and alike however few tokens there are.
enum class Care : std::uint8_t { nobody, prompt, rough, outliers, everyone };
constexpr bool is_measured(Care care) {
  return care >= Care::rough;
}

inline constexpr std::size_t few_tokens = 8;  // most that give what each gives by itself
constexpr bool has_floats(tensor::Type type) {
  return type == tensor::Type::f32 || type == tensor::Type::f16 || type == tensor::Type::bf16;
}

struct Activations {
  const float* x;  // token t at x + t * stride
  std::size_t stride, tokens, columns;
  const std::byte* packed[forms];  // by Form, where asked for; aligned to 64 bytes
  Care care;
};

// Rows [begin, end) of a weight matrix, times all tokens: output[t * output_stride + row].
struct ProductPiece {
  tensor::Type type;
  const std::byte* weights;  // row 0
  std::size_t row_bytes, begin, end;
  const Activations* input;
  float* output;
  std::size_t output_stride;
  const float* bias;  // of row 0; may be null
  bool accumulate;
  std::byte* scratch;  // scratch_bytes(...), aligned to 64 bytes
};

struct MatmulKernels {
  // Up to so many tokens a product gives what each gives by itself, but for float weights, whose sums go in fewer
  // chains; each thread packs them all.
  std::size_t few_tokens;
  Form (*form)(tensor::Type type, std::size_t tokens, std::size_t columns, Care care);
  std::size_t (*packed_bytes)(Form form, std::size_t tokens, std::size_t columns);
  void (*pack)(Form form, const Activations& input, std::size_t begin, std::size_t end, std::byte* packed);
  std::size_t (*scratch_bytes)(tensor::Type type, std::size_t tokens, std::size_t columns);
  // An element does not depend on how rows and tokens are cut into pieces, but for the form that their number chooses.
  void (*multiply)(const ProductPiece& piece);
};

}  // namespace hearth::kernels
