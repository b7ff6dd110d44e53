#include "kernels/matmul/avx512_formats.h"
// The formats come first: the rest is written over them.
#include "kernels/matmul/avx512.h"
#include "kernels/matmul/avx512_codes.h"
#include "kernels/matmul/avx512_floats.h"
#include "kernels/matmul/avx512_int8.h"
#include "kernels/matmul/few.h"
#include "kernels/matmul_kernels.h"

namespace hearth::kernels {

extern const MatmulKernels avx512_few_matmul, avx512_matmul;

namespace {

using tensor::Type;
using I = Avx512Product;

// With more tokens than this it pays to bring a row's 256 columns to one scale.
constexpr std::size_t some_tokens = 48;

bool is_float_type(Type type) {
  return type == Type::f32 || type == Type::f16 || type == Type::bf16;
}

// What is measured is computed in float32, whatever the format.
bool in_floats(Type type, Care care) {
  return is_float_type(type) || is_measured(care);
}

Form form(Type type, std::size_t tokens, Care care) {
  if (in_floats(type, care)) return Form::f32;
  return tokens <= few_tokens ? Form::int8 : Form::int8_tiles;
}

std::size_t packed_bytes(Form form, std::size_t tokens, std::size_t columns) {
  if (form == Form::int8) return avx512_few_matmul.packed_bytes(form, tokens, columns);
  return form == Form::int8_tiles ? tokens * TileRows(nullptr, columns).record : 0;
}

void pack(Form form, const Activations& input, std::size_t begin, std::size_t end, std::byte* packed) {
  if (form == Form::int8) return avx512_few_matmul.pack(form, input, begin, end, packed);
  if (form != Form::int8_tiles) return;
  const TileRows rows(packed, input.columns);
  for (std::size_t token = begin; token < end; ++token)
    for (std::size_t first = 0; first < input.columns; first += 64)
      pack_part(input.x + token * input.stride, first, input.columns, rows, token);
}

std::size_t scratch_bytes(Type type, std::size_t tokens, std::size_t columns) {
  const std::size_t floats = FloatPanels::scratch_bytes;  // what care asks for
  const std::size_t few =
      is_float_type(type) ? few_scratch_bytes<I> : avx512_few_matmul.scratch_bytes(type, tokens, columns);
  constexpr std::size_t codes = CodePanels::scratch_bytes, bytes = Int8Panels::scratch_bytes;
  const std::size_t many = tokens <= few_tokens || is_float_type(type) ? 0 : codes > bytes ? codes : bytes;
  const std::size_t most = few > floats ? few : floats;
  return many > most ? many : most;
}

void multiply(const ProductPiece& piece) {
  const bool few = piece.input->tokens <= few_tokens;
  if (few && !in_floats(piece.type, piece.input->care)) return avx512_few_matmul.multiply(piece);
  ProductPiece own = piece;
  with_format(piece.type, [&]<class F>() {
    if constexpr (is_float<F>)
      few ? few_float<I, F>(piece) : many(own, FloatPanels(own), unpack_floats<F>);
    else if (is_measured(piece.input->care))
      many(own, FloatPanels(own), unpack_codes<F>);
    else if constexpr (F::group == 32)
      piece.input->tokens <= some_tokens
          ? many(own, CodePanels(own, F::minimum ? 0 : F::offset, F::minimum), unpack_own_codes<F>)
          : many(own, Int8Panels(own), unpack_int8<F>);
    else
      many(own, Int8Panels(own), unpack_int8<F>);
  });
}

}  // namespace

const MatmulKernels avx512_matmul{few_tokens, form, packed_bytes, pack, scratch_bytes, multiply};

}  // namespace hearth::kernels
