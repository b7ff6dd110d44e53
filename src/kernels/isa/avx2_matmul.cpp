#include <type_traits>

#include "kernels/matmul/avx2_few.h"
#include "kernels/matmul/avx2_many.h"
#include "kernels/matmul_kernels.h"

namespace hearth::kernels {

extern const MatmulKernels avx2_matmul;

namespace {

using tensor::Type;

// Whose codes fill a byte. Only where an answer may be rough are they rounded to six bits.
template <class F>
constexpr bool is_wide = F::is_signed && !LooksUp<F>;

// As its panels of bytes hold a format.
template <class F>
struct AsBytes {
  using Type = F;
};
template <class F>
requires F::is_signed struct AsBytes<F> {
  using Type = SixBits<F>;
};
template <>
struct AsBytes<Q3_K> {
  using Type = Eightfold<Q3_K>;
};

template <class F>
constexpr bool is_mixed = F::group == 16;

// Where there is care, outliers are kept from the bytes; codes that fill a byte or would be rounded meet words.
template <class F>
Form many_form(std::size_t columns, Care care) {
  if constexpr (is_float<F>) {
    const bool words = is_half<F> && care == Care::nobody && columns % WordQuads::step == 0;
    return words ? Form::int16 : Form::f32;
  } else {
    if (care == Care::nobody) return is_mixed<F> ? Form::mixed_quads : is_wide<F> ? Form::wide_quads : Form::int8_quads;
    const bool words = care == Care::everyone || (F::is_signed && care != Care::rough);
    return words ? Form::int16 : Form::fine_quads;
  }
}

// What panels hold as bytes is unpacked at so little cost that five tokens pay for it (Q4_K with eight: 134 GOPS
// against 105 on one core). Signed formats' codes fill a byte, or are rounded to six bits: they wait until more tokens
// pay for it (Q8_0 with six: 66 tokens a second of 1B as they stand, 62 in panels; with eight as many).
template <class F>
bool is_few(std::size_t tokens, Care care) {
  if constexpr (!is_float<F>) {
    if (is_measured(care) || care == Care::prompt) return false;  // a few tokens' activations are bytes
    if (!F::is_signed) return tokens <= few_tile;
  }
  return tokens <= few_tokens;
}

Form form(Type type, std::size_t tokens, std::size_t columns, Care care) {
  return with_format(type, [&]<class F>() {
    if (is_few<F>(tokens, care)) return is_float<F> ? Form::f32 : Form::int8;
    return many_form<F>(columns, care);
  });
}

std::size_t packed_bytes(Form form, std::size_t tokens, std::size_t columns) {
  if (form == Form::int8) return tokens * Int8Rows(nullptr, columns).record;
  if (form == Form::int8_quads || form == Form::mixed_quads) return ByteQuads(nullptr, columns).bytes(tokens);
  if (form == Form::wide_quads) return WideQuads(nullptr, columns).bytes(tokens);
  if (form == Form::fine_quads) return FineQuads(nullptr, columns).bytes(tokens);
  return form == Form::int16 ? WordQuads(nullptr, columns).bytes(tokens) : 0;
}

void pack(Form form, const Activations& input, std::size_t begin, std::size_t end, std::byte* packed) {
  const std::size_t columns = input.columns;
  for (std::size_t token = begin; token < end; ++token) {
    const float* const x = input.x + token * input.stride;
    if (form == Form::int8) pack_bytes(x, columns, Int8Rows(packed, columns), token);
    if (form == Form::int16) pack_words(x, columns, WordQuads(packed, columns), token);
  }
  for (std::size_t token = begin; token < end; token += packed_together) {
    if (form == Form::int8_quads) pack_byte_quad(input, ByteQuads(packed, columns), token, end);
    if (form == Form::mixed_quads) pack_byte_quad(input, MixedQuads(packed, columns), token, end);
    if (form == Form::wide_quads) pack_byte_quad(input, WideQuads(packed, columns), token, end);
    if (form == Form::fine_quads) pack_fine_quad(input, FineQuads(packed, columns), token, end);
  }
}

// Whatever the form.
std::size_t scratch_bytes(Type, std::size_t, std::size_t) {
  std::size_t most = 0;
  for (const std::size_t bytes : {few_scratch_bytes<Avx2Product>, sizeof(FloatPanels), sizeof(WordPanels),
                                  sizeof(BytePanels<16>), sizeof(BytePanels<32>)})
    most = bytes > most ? bytes : most;
  return most;
}

template <class F, class Quads>
struct Bytes {
  static constexpr bool has_offset = Quads::offset != 0 && !F::minimum;
  static constexpr int steps = steps_together<F, Quads::mixed>;
  static_assert(has_offset ? F::offset == Quads::offset && F::most < 2 * F::offset
                           : F::most * Quads::most_crowding * (!Quads::mixed && steps == 8 ? 2 : 1) <= 32767);
  template <int T>
  using Tile = ByteTile<Quads, F::group, has_offset, steps, T>;
};
template <class F, class Quads>
void many_bytes(const ProductPiece& piece) {
  using Held = typename AsBytes<F>::Type;
  many<Held, BytePanels<F::group, Quads::mixed>, Bytes<Held, Quads>::template Tile>(piece);
}

template <class F>
void multiply_many(const ProductPiece& piece) {
  const Form form = many_form<F>(piece.input->columns, piece.input->care);
  if constexpr (is_float<F>) {
    if constexpr (is_half<F>)
      if (form == Form::int16) return many<F, WordPanels, WordTile>(piece);
    many<F, FloatPanels, FloatTile, 6>(piece);
  } else {
    if (form == Form::int16) return many<F, WordPanels, WordTile>(piece);
    if (form == Form::fine_quads) return many_bytes<F, FineQuads>(piece);
    if constexpr (is_wide<F>) return many_bytes<UnsignedQ8_0, WideQuads>(piece);
    many_bytes<F, std::conditional_t<is_mixed<F>, MixedQuads, ByteQuads>>(piece);
  }
}

void multiply(const ProductPiece& piece) {
  with_format(piece.type, [&]<class F>() {
    if (!is_few<F>(piece.input->tokens, piece.input->care)) return multiply_many<F>(piece);
    if constexpr (is_float<F>)
      few_float<Avx2Product, F>(piece);
    else
      few_bytes<Avx2Product, F>(piece);
  });
}

}  // namespace

const MatmulKernels avx2_matmul{few_tile, form, packed_bytes, pack, scratch_bytes, multiply};

}  // namespace hearth::kernels
