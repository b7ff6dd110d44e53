// What AMX adds: products with many tokens in bfloat16, with some dozens in bytes. All else is AVX-512's.
#include "kernels/matmul/avx512_formats.h"
// The formats come first: the rest is written over them.
#include "kernels/matmul/amx.h"
#include "kernels/matmul_kernels.h"

namespace hearth::kernels {

extern const MatmulKernels avx512_bf16_matmul, amx_matmul;

namespace {

using tensor::Type;

constexpr std::size_t few_tokens = 8;
// Up to so many, making bfloat16 of codes costs more than tiles of it save.
constexpr std::size_t some_tokens = 64;

bool is_float_type(Type type) {
  return type == Type::f16 || type == Type::bf16;
}

// What is measured goes in bfloat16 however few tokens there are, if its weights are codes; else it stays in float32.
// Codes times what takes more care than bfloat16 do not.
bool in_pairs(Type type, std::size_t tokens, Care care) {
  if (type == Type::f32 || care == Care::everyone) return false;
  if (is_float_type(type)) return tokens > few_tokens && !is_measured(care);
  return care != Care::prompt && (tokens > some_tokens || is_measured(care));
}

Form form(Type type, std::size_t tokens, std::size_t columns, Care care) {
  return in_pairs(type, tokens, care) ? Form::bf16 : avx512_bf16_matmul.form(type, tokens, columns, care);
}

std::size_t packed_bytes(Form form, std::size_t tokens, std::size_t columns) {
  if (form == Form::bf16) return AmxRows(nullptr, columns, tokens).bytes();
  // Tiles read records of whole sixteens of tokens.
  const bool tiles = form == Form::int8_tiles || form == Form::pair_tiles;
  return avx512_bf16_matmul.packed_bytes(form, tiles ? round_up(tokens, amx_tokens) : tokens, columns);
}

void pack(Form form, const Activations& input, std::size_t begin, std::size_t end, std::byte* packed) {
  if (form != Form::bf16) return avx512_bf16_matmul.pack(form, input, begin, end, packed);
  const AmxRows rows(packed, input.columns, input.tokens);
  for (std::size_t token = begin; token < end; ++token)
    pack_for_tiles(input.x + token * input.stride, input.columns, rows, token);
}

std::size_t scratch_bytes(Type type, std::size_t tokens, std::size_t columns) {
  std::size_t most = avx512_bf16_matmul.scratch_bytes(type, tokens, columns);
  for (const std::size_t bytes : {AmxPanels::scratch_bytes(tokens), AmxCodes<Form::pair_tiles>::scratch_bytes})
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
      if constexpr (F::group == 32) {
        if (how == Form::int8_tiles) return many_codes_in_tiles<F, Form::int8_tiles>(piece);
        if (how == Form::pair_tiles) return many_codes_in_tiles<F, Form::pair_tiles>(piece);
      }
    }
    avx512_bf16_matmul.multiply(piece);
  });
}

}  // namespace

const MatmulKernels amx_matmul{few_tokens, form, packed_bytes, pack, scratch_bytes, multiply};

}  // namespace hearth::kernels
