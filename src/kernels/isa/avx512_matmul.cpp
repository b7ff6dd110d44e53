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

// With more tokens than this it pays to bring a row's 64 columns to one scale.
constexpr std::size_t some_tokens = 48;

Form form(Type type, std::size_t tokens, std::size_t, Care care) {
  if (has_floats(type) || care == Care::everyone) return Form::f32;
  if (care != Care::nobody) return Form::fine_tiles;
  return tokens <= few_tokens ? Form::int8 : Form::int8_tiles;
}

std::size_t packed_bytes(Form form, std::size_t tokens, std::size_t columns) {
  if (form == Form::int8) return avx512_few_matmul.packed_bytes(form, tokens, columns);
  return form == Form::f32 ? 0 : tokens * TileRows(nullptr, columns, form).record;
}

void pack(Form form, const Activations& input, std::size_t begin, std::size_t end, std::byte* packed) {
  if (form == Form::int8) return avx512_few_matmul.pack(form, input, begin, end, packed);
  if (form == Form::f32) return;
  const TileRows rows(packed, input.columns, form);
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
    also(CodePanels<32, Form::fine_tiles>::scratch_bytes);
    also(CodePanels<16, Form::fine_tiles>::scratch_bytes);
    also(Int8Panels::scratch_bytes);
  }
  return most;
}

template <class F, Form form>
void many_codes(ProductPiece& piece) {
  using Panels = CodePanels<F::group, form>;
  many(piece, Panels(piece, F::minimum ? 0 : F::offset, F::minimum), unpack_own_codes<F, Panels>);
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
    else if (how == Form::fine_tiles)
      many_codes<F, Form::fine_tiles>(own);
    else if (F::group == 32 && tokens <= some_tokens)
      many_codes<F, Form::int8_tiles>(own);
    else
      many(own, Int8Panels(own), unpack_int8<F>);
  });
}

}  // namespace

const MatmulKernels avx512_matmul{few_tokens, form, packed_bytes, pack, scratch_bytes, multiply};

}  // namespace hearth::kernels
