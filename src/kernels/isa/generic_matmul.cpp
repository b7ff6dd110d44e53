// The reference: each row decoded by its format's definition, multiplied in float32.
#include "kernels/matmul_kernels.h"

namespace hearth::kernels {

extern const MatmulKernels generic_matmul;

namespace {

float dot(const float* a, const float* b, std::size_t count) {
  constexpr std::size_t lanes = 16;
  float sums[lanes] = {};
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (std::size_t lane = 0; lane < lanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  for (std::size_t lane = 0; i < count; ++i, ++lane) sums[lane] += a[i] * b[i];
  for (std::size_t half = lanes / 2; half > 0; half /= 2)
    for (std::size_t lane = 0; lane < half; ++lane) sums[lane] += sums[lane + half];
  return sums[0];
}

Form form(tensor::Type, std::size_t, std::size_t, Care) {
  return Form::f32;
}

std::size_t packed_bytes(Form, std::size_t, std::size_t) {
  return 0;
}

void pack(Form, const Activations&, std::size_t, std::size_t, std::byte*) {}

std::size_t scratch_bytes(tensor::Type, std::size_t, std::size_t columns) {
  return columns * sizeof(float);
}

void multiply(const ProductPiece& piece) {
  const Activations& in = *piece.input;
  const auto decode = tensor::info(piece.type).decode;
  float* const weights = reinterpret_cast<float*>(piece.scratch);
  for (std::size_t row = piece.begin; row < piece.end; ++row) {
    decode(piece.weights + row * piece.row_bytes, weights, in.columns);
    for (std::size_t token = 0; token < in.tokens; ++token) {
      float& y = piece.output[token * piece.output_stride + row];
      const float product = dot(weights, in.x + token * in.stride, in.columns);
      y = (piece.accumulate ? y : 0) + product + (piece.bias ? piece.bias[row] : 0);
    }
  }
}

}  // namespace

const MatmulKernels generic_matmul{8, form, packed_bytes, pack, scratch_bytes, multiply};

}  // namespace hearth::kernels
