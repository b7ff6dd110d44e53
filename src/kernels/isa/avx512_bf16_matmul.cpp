// What bfloat16 dot products add to AVX-512: F16 and BF16 weights with many tokens. All else is AVX-512's.
#include "kernels/matmul/avx512_bf16.h"
#include "kernels/matmul_kernels.h"

namespace hearth::kernels {

extern const MatmulKernels avx512_matmul, avx512_bf16_matmul;

namespace {

using tensor::Type;

bool by_pairs(Type type, std::size_t tokens, Care care) {
  return type != Type::f32 && has_floats(type) && tokens > few_tokens && !is_measured(care);
}

Form form(Type type, std::size_t tokens, std::size_t columns, Care care) {
  return by_pairs(type, tokens, care) ? Form::bf16 : avx512_matmul.form(type, tokens, columns, care);
}

std::size_t packed_bytes(Form form, std::size_t tokens, std::size_t columns) {
  return form == Form::bf16 ? tokens * Bf16Rows(nullptr, columns).record
                            : avx512_matmul.packed_bytes(form, tokens, columns);
}

void pack(Form form, const Activations& input, std::size_t begin, std::size_t end, std::byte* packed) {
  if (form != Form::bf16) return avx512_matmul.pack(form, input, begin, end, packed);
  const Bf16Rows rows(packed, input.columns);
  for (std::size_t token = begin; token < end; ++token)
    pack_bf16(input.x + token * input.stride, input.columns, rows.row(token));
}

std::size_t scratch_bytes(Type type, std::size_t tokens, std::size_t columns) {
  const std::size_t others = avx512_matmul.scratch_bytes(type, tokens, columns);
  return others < Bf16Panels::scratch_bytes ? Bf16Panels::scratch_bytes : others;
}

void multiply(const ProductPiece& piece) {
  if (!by_pairs(piece.type, piece.input->tokens, piece.input->care)) return avx512_matmul.multiply(piece);
  ProductPiece own = piece;
  many(own, Bf16Panels(own), piece.type == Type::f16 ? unpack_pairs<F16Pairs> : unpack_pairs<Bf16Pairs>);
}

}  // namespace

const MatmulKernels avx512_bf16_matmul{few_tokens, form, packed_bytes, pack, scratch_bytes, multiply};

}  // namespace hearth::kernels
