// What AMX adds: products with more than a few tokens in tiles of bfloat16. All else is AVX-512's.
#include "kernels/matmul/avx512_formats.h"
// The formats come first: the rest is written over them.
#include "kernels/matmul/amx_many.h"
#include "kernels/matmul/amx_some.h"
#include "kernels/matmul_kernels.h"

namespace hearth::kernels {

extern const MatmulKernels avx512_bf16_matmul, amx_matmul;

namespace {

using tensor::Type;

// What is measured goes in panels however few tokens there are, if its weights are codes; else it stays in float32.
Form form(Type type, std::size_t tokens, std::size_t columns, Care care) {
  const Form others = avx512_bf16_matmul.form(type, tokens, columns, care);
  if (type == Type::f32 || care == Care::everyone) return others;
  if (has_floats(type)) return tokens > few_tokens && !is_measured(care) ? Form::bf16 : others;
  if (is_measured(care)) return Form::bf16;
  if (tokens > some_tokens) return Form::bf16;
  return tokens > few_tokens || care == Care::prompt ? Form::bf16_turned : others;
}

std::size_t packed_bytes(Form form, std::size_t tokens, std::size_t columns) {
  if (form == Form::bf16) return AmxRows(nullptr, columns, tokens).bytes();
  if (form == Form::bf16_turned) return TurnedRows(nullptr, columns, tokens).bytes();
  return avx512_bf16_matmul.packed_bytes(form, tokens, columns);
}

void pack(Form form, const Activations& input, std::size_t begin, std::size_t end, std::byte* packed) {
  if (form == Form::bf16) {
    const AmxRows rows(packed, input.columns, input.tokens);
    for (std::size_t token = begin; token < end; ++token)
      pack_for_tiles(input.x + token * input.stride, input.columns, rows, token);
  } else if (form == Form::bf16_turned) {
    const TurnedRows rows(packed, input.columns, input.tokens);
    for (std::size_t token = begin; token < end; token += packed_together) pack_turned(input, token, end, rows);
  } else {
    avx512_bf16_matmul.pack(form, input, begin, end, packed);
  }
}

std::size_t scratch_bytes(Type type, std::size_t tokens, std::size_t columns) {
  std::size_t most = avx512_bf16_matmul.scratch_bytes(type, tokens, columns);
  for (const std::size_t bytes : {AmxPanels::scratch_bytes(tokens), some_scratch_bytes})
    most = bytes > most ? bytes : most;
  return most;
}

void multiply(const ProductPiece& piece) {
  const Activations& input = *piece.input;
  const Form how = form(piece.type, input.tokens, input.columns, input.care);
  with_format(piece.type, [&]<class F>() {
    if constexpr (is_float<F>) {
      if (how == Form::bf16)
        return many_in_tiles(
            piece, piece.type == Type::f16 ? unpack_floats_to_pairs<F16Pairs> : unpack_floats_to_pairs<Bf16Pairs>);
    } else {
      if (how == Form::bf16) return many_in_tiles(piece, unpack_codes_to_pairs<F>);
      if (how == Form::bf16_turned) return some_in_tiles<F>(piece);
    }
    avx512_bf16_matmul.multiply(piece);
  });
}

}  // namespace

const MatmulKernels amx_matmul{few_tokens, form, packed_bytes, pack, scratch_bytes, multiply};

}  // namespace hearth::kernels
