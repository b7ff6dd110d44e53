#include "kernels/matmul/avx512_formats.h"
// The formats come first: the rest is written over them.
#include "kernels/matmul/avx512.h"
#include "kernels/matmul/avx512_floats.h"
#include "kernels/matmul/avx512_int8.h"
#include "kernels/matmul/few.h"
#include "kernels/matmul_kernels.h"

namespace hearth::kernels {

extern const MatmulKernels avx512_matmul;

namespace {

using tensor::Type;
using I = Avx512Product;

Form form(Type type, std::size_t, Care care) {
  const bool floats = type == Type::f32 || type == Type::f16 || type == Type::bf16;
  return floats || care == Care::everyone ? Form::f32 : Form::int8;
}

std::size_t packed_bytes(Form form, std::size_t tokens, std::size_t columns) {
  return form == Form::int8 ? tokens * Int8Rows(nullptr, columns).record : 0;
}

void pack(Form form, const Activations& input, std::size_t begin, std::size_t end, std::byte* packed) {
  if (form != Form::int8) return;
  const Int8Rows rows(packed, input.columns);
  for (std::size_t token = begin; token < end; ++token)
    pack_int8(input.x + token * input.stride, input.columns, rows, token);
}

std::size_t scratch_bytes(Type type, std::size_t tokens, std::size_t columns) {
  const std::size_t floats = FloatPanels::scratch_bytes;  // what care asks for
  const std::size_t bytes = tokens <= few_tokens                             ? few_scratch_bytes<I>(columns)
                            : form(type, tokens, Care::nobody) == Form::int8 ? Int8Panels::scratch_bytes
                                                                             : 0;
  return bytes > floats ? bytes : floats;
}

template <class F>
void product_int8(const ProductPiece& piece) {
  if (piece.input->care == Care::everyone) return many<FloatPanels>(piece, unpack_codes<F>);
  piece.input->tokens <= few_tokens ? few_int8<I, F>(piece) : many<Int8Panels>(piece, unpack_int8<F>);
}
template <class F>
void product_float(const ProductPiece& piece) {
  piece.input->tokens <= few_tokens ? few_float<I, F>(piece) : many<FloatPanels>(piece, unpack_floats<F>);
}

void multiply(const ProductPiece& piece) {
  switch (piece.type) {
    case Type::f32:
      return product_float<F32>(piece);
    case Type::f16:
      return product_float<F16>(piece);
    case Type::bf16:
      return product_float<Bf16>(piece);
    case Type::q4_0:
      return product_int8<Q4_0>(piece);
    case Type::q4_1:
      return product_int8<Q4_1>(piece);
    case Type::q5_0:
      return product_int8<Q5_0>(piece);
    case Type::q5_1:
      return product_int8<Q5_1>(piece);
    case Type::q8_0:
      return product_int8<Q8_0>(piece);
    case Type::q2_k:
      return product_int8<Q2_K>(piece);
    case Type::q3_k:
      return product_int8<Q3_K>(piece);
    case Type::q4_k:
      return product_int8<Q4_K>(piece);
    case Type::q5_k:
      return product_int8<Q5_K>(piece);
    case Type::q6_k:
      return product_int8<Q6_K>(piece);
    case Type::iq4_nl:
      return product_int8<Iq4_nl>(piece);
    case Type::iq4_xs:
      return product_int8<Iq4_xs>(piece);
    case Type::mxfp4:
      return product_int8<Mxfp4>(piece);
    case Type::i32:
      return;
  }
}

}  // namespace

const MatmulKernels avx512_matmul{few_tokens, form, packed_bytes, pack, scratch_bytes, multiply};

}  // namespace hearth::kernels
