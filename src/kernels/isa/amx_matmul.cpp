// What AMX adds: products with many tokens, in bfloat16. All else is AVX-512's.
#include "kernels/matmul/avx512_formats.h"
// The formats come first: the rest is written over them.
#include "kernels/matmul/amx.h"
#include "kernels/matmul_kernels.h"

namespace hearth::kernels {

extern const MatmulKernels avx512_bf16_matmul, amx_matmul;

namespace {

using tensor::Type;

constexpr std::size_t few_tokens = 8;
// Up to so many, making bfloat16 of codes costs more than tiles save.
constexpr std::size_t some_tokens = 32;

bool by_tiles(Type type, std::size_t tokens, Care care) {
  if (type == Type::f32 || is_measured(care)) return false;
  return tokens > (type == Type::f16 || type == Type::bf16 ? few_tokens : some_tokens);
}

Form form(Type type, std::size_t tokens, std::size_t columns, Care care) {
  return by_tiles(type, tokens, care) ? Form::bf16 : avx512_bf16_matmul.form(type, tokens, columns, care);
}

std::size_t packed_bytes(Form form, std::size_t tokens, std::size_t columns) {
  return form == Form::bf16 ? AmxRows(nullptr, columns, tokens).bytes()
                            : avx512_bf16_matmul.packed_bytes(form, tokens, columns);
}

void pack(Form form, const Activations& input, std::size_t begin, std::size_t end, std::byte* packed) {
  if (form != Form::bf16) return avx512_bf16_matmul.pack(form, input, begin, end, packed);
  const AmxRows rows(packed, input.columns, input.tokens);
  for (std::size_t token = begin; token < end; ++token)
    pack_for_tiles(input.x + token * input.stride, input.columns, rows, token);
}

std::size_t scratch_bytes(Type type, std::size_t tokens, std::size_t columns) {
  const std::size_t others = avx512_bf16_matmul.scratch_bytes(type, tokens, columns);
  return others < AmxPanels::scratch_bytes(tokens) ? AmxPanels::scratch_bytes(tokens) : others;
}

void multiply(const ProductPiece& piece) {
  if (!by_tiles(piece.type, piece.input->tokens, piece.input->care)) return avx512_bf16_matmul.multiply(piece);
  with_format(piece.type, [&]<class F>() {
    if constexpr (!is_float<F>)
      many_in_tiles(piece, unpack_codes_to_pairs<F>);
    else
      many_in_tiles(piece,
                    piece.type == Type::f16 ? unpack_floats_to_pairs<F16Pairs> : unpack_floats_to_pairs<Bf16Pairs>);
  });
}

}  // namespace

const MatmulKernels amx_matmul{few_tokens, form, packed_bytes, pack, scratch_bytes, multiply};

}  // namespace hearth::kernels
