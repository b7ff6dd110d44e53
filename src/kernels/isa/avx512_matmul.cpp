#include "kernels/matmul/avx512_formats.h"
// The formats come first: the rest is written over them.
#include "kernels/matmul/avx512.h"
#include "kernels/matmul/avx512_floats.h"
#include "kernels/matmul/avx512_int8.h"
#include "kernels/matmul/avx512_several.h"
#include "kernels/matmul/avx512_some.h"
#include "kernels/matmul/few.h"
#include "kernels/matmul_kernels.h"

namespace hearth::kernels {

extern const MatmulKernels avx512_few_matmul, avx512_matmul;

namespace {

using tensor::Type;
using I = Avx512Product;

// With more tokens than this it pays to bring a row's 64 columns to one scale.
constexpr std::size_t some_tokens = 48;

// Few tokens, but so many that it pays to read sixteen rows side by side.
bool by_several(Type type, std::size_t tokens, std::size_t columns) {
  return with_format(type, [=]<class F>() {
    if constexpr (is_float<F>)
      return false;
    else
      return F::group == 32 && columns % block_columns == 0 && tokens >= several_from && tokens <= several_tokens;
  });
}

Form form(Type type, std::size_t tokens, std::size_t columns, Care care) {
  if (has_floats(type) || care == Care::everyone) return Form::f32;
  if (care != Care::nobody) return Form::fine_blocks;
  if (by_several(type, tokens, columns)) return Form::int8_several;
  if (tokens <= few_tokens) return Form::int8;
  return tokens <= some_tokens ? Form::int8_blocks : Form::int8_tiles;
}

std::size_t packed_bytes(Form form, std::size_t tokens, std::size_t columns) {
  if (form == Form::int8) return avx512_few_matmul.packed_bytes(form, tokens, columns);
  if (form == Form::f32) return 0;
  if (form == Form::int8_several) return columns / block_columns * sizeof(SeveralBlock);
  if (form == Form::int8_tiles) return tokens * TileRows(nullptr, columns).record;
  return TokenBlocks::tiles(tokens) * TokenBlocks(nullptr, columns, form).record;
}

void pack(Form form, const Activations& input, std::size_t begin, std::size_t end, std::byte* packed) {
  if (form == Form::int8) return avx512_few_matmul.pack(form, input, begin, end, packed);
  if (form == Form::f32) return;
  if (form == Form::int8_several) {
    for (std::size_t token = begin; token < end; ++token)
      pack_several(input, token, reinterpret_cast<SeveralBlock*>(packed));
    return;
  }
  if (form != Form::int8_tiles) {
    const TokenBlocks blocks(packed, input.columns, form);
    for (std::size_t token = begin; token < end; ++token) pack_blocks(input, blocks, token);
    return;
  }
  const TileRows rows(packed, input.columns);
  for (std::size_t token = begin; token < end; ++token)
    pack_row(input.x + token * input.stride, input.columns, rows, token);
}

// Whatever the care.
std::size_t scratch_bytes(Type type, std::size_t tokens, std::size_t columns) {
  std::size_t most = FloatPanels::scratch_bytes;
  const auto also = [&most](std::size_t bytes) { most = bytes > most ? bytes : most; };
  if (has_floats(type)) {
    also(few_scratch_bytes<I>);
  } else {
    also(avx512_few_matmul.scratch_bytes(type, tokens, columns));
    with_format(type, [&]<class F>() {
      if constexpr (!is_float<F>) {
        also(SomeTokens<F>::scratch_bytes(tokens));
        if constexpr (F::group == 32) also(Several<F>::scratch_bytes(columns));
      }
    });
    also(Int8Panels::scratch_bytes);
  }
  return most;
}

void multiply(const ProductPiece& piece) {
  const std::size_t tokens = piece.input->tokens;
  const Form how = form(piece.type, tokens, piece.input->columns, piece.input->care);
  if (how == Form::int8) return avx512_few_matmul.multiply(piece);
  ProductPiece own = piece;
  with_format(piece.type, [&]<class F>() {
    if constexpr (is_float<F>)
      tokens <= few_tokens ? few_float<I, F>(piece) : many(own, FloatPanels(own), unpack_floats<F>);
    else if (how == Form::f32)
      many(own, FloatPanels(own), unpack_codes<F>);
    else if (how == Form::int8_several) {
      if constexpr (F::group == 32) several<F>(piece);
    } else if (how == Form::int8_blocks || how == Form::fine_blocks)
      some<F>(own, how);
    else
      many(own, Int8Panels(own), unpack_int8<F>);
  });
}

}  // namespace

const MatmulKernels avx512_matmul{few_tokens, form, packed_bytes, pack, scratch_bytes, multiply};

}  // namespace hearth::kernels
