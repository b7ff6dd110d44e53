// Integer formats with a few tokens: AVX2's way with AVX-512's instructions.
#include "kernels/matmul/avx512_few.h"

#include "kernels/matmul_kernels.h"

namespace hearth::kernels {

extern const MatmulKernels avx512_few_matmul;

namespace {

using tensor::Type;

Form form(Type, std::size_t, std::size_t, Care) {
  return Form::int8;
}

std::size_t packed_bytes(Form, std::size_t tokens, std::size_t columns) {
  return tokens * Int8Rows(nullptr, columns).record;
}

void pack(Form, const Activations& input, std::size_t begin, std::size_t end, std::byte* packed) {
  for (std::size_t token = begin; token < end; ++token)
    pack_bytes(input.x + token * input.stride, input.columns, Int8Rows(packed, input.columns), token);
}

std::size_t scratch_bytes(Type, std::size_t, std::size_t) {
  return few_scratch_bytes<Avx512FewProduct>;
}

void multiply(const ProductPiece& piece) {
  with_format(piece.type, [&]<class F>() {
    if constexpr (!is_float<F>) few_bytes<Avx512FewProduct, typename Unsigned<F>::Type>(piece);
  });
}

}  // namespace

const MatmulKernels avx512_few_matmul{few_tokens, form, packed_bytes, pack, scratch_bytes, multiply};

}  // namespace hearth::kernels
