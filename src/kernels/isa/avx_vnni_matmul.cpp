// What AVX-VNNI adds to AVX2 (Intel's processors without AVX-512 since 2021): dot products of bytes in one instruction.
// Floats, short prompts and what tasks measure are AVX2's.
#include "kernels/matmul/avx_vnni_many.h"
#include "kernels/matmul/vnni_few.h"
#include "kernels/matmul_kernels.h"

namespace hearth::kernels {

extern const MatmulKernels avx2_matmul, avx_vnni_matmul;

namespace {

using tensor::Type;

constexpr int most_tokens = 6;  // of a tile

// Bytes on one scale: of whole prompts, and of sequences side by side that are more than a few (some twenty, with
// AVX2's bytes, before that pays in all formats; beyond a few, a token's result should not depend on how many there
// are).
Form form(Type type, std::size_t tokens, std::size_t columns, Care care) {
  if (care != Care::nobody || has_floats(type)) return avx2_matmul.form(type, tokens, columns, care);
  return tokens <= few_tokens ? Form::int8 : Form::int8_tiles;
}

std::size_t packed_bytes(Form form, std::size_t tokens, std::size_t columns) {
  return form == Form::int8_tiles ? tokens * ByteRows(nullptr, columns).record
                                  : avx2_matmul.packed_bytes(form, tokens, columns);
}

void pack(Form form, const Activations& input, std::size_t begin, std::size_t end, std::byte* packed) {
  if (form != Form::int8_tiles) return avx2_matmul.pack(form, input, begin, end, packed);
  const ByteRows rows(packed, input.columns);
  for (std::size_t token = begin; token < end; ++token)
    pack_byte_row(input.x + token * input.stride, input.columns, rows, token);
}

std::size_t scratch_bytes(Type type, std::size_t tokens, std::size_t columns) {
  const std::size_t others = avx2_matmul.scratch_bytes(type, tokens, columns);
  return others < sizeof(DotPanels) ? sizeof(DotPanels) : others;
}

void multiply(const ProductPiece& piece) {
  const Form how = form(piece.type, piece.input->tokens, piece.input->columns, piece.input->care);
  if (how != Form::int8 && how != Form::int8_tiles) return avx2_matmul.multiply(piece);
  with_format(piece.type, [&]<class F>() {
    if constexpr (!is_float<F>) {
      if (how == Form::int8)
        few_bytes<VnniProduct, typename Unsigned<F>::Type>(piece);
      else
        many<F, DotPanels, DotTile, most_tokens>(piece);
    }
  });
}

}  // namespace

const MatmulKernels avx_vnni_matmul{few_tokens, form, packed_bytes, pack, scratch_bytes, multiply};

}  // namespace hearth::kernels
