// What VNNI adds to AVX2's products with a few tokens: vpdpbusd, whose other factor may have any sign but whose codes
// may not. Vectors of 256 bits, with AVX-512 or without (AVX-VNNI).
#pragma once

#include "kernels/matmul/avx2_few.h"
#include "kernels/matmul/vnni.h"

namespace hearth::kernels {
namespace {

struct VnniProduct : Avx2Product {
  template <class F>
  static Bytes dot(Bytes codes, const std::int8_t* x) {
    return add_dot<F>(_mm256_setzero_si256(), codes, x);
  }
  template <class F>
  static Bytes dot(Bytes first, Bytes second, const std::int8_t* x) {
    return add_dot<F>(dot<F>(first, x), second, x + 32);
  }

 private:
  template <class F>
  static Bytes add_dot(Bytes sums, Bytes codes, const std::int8_t* x) {
    static_assert(!F::is_signed);
    return dot_bytes(sums, codes, load32(x));
  }
};

// Other formats whose codes AVX2 takes as signed bytes: 128 more.
constexpr Table16 unsigned_iq4_table{tensor::iq4_values, 128};

struct UnsignedIq4_nl : Blocks32<tensor::Iq4_nl, 128, 255> {
  static __m256i codes(const std::byte* row, std::size_t step) {
    return unsigned_iq4_table.look_up(nibbles(at(row, step)->codes));
  }
  static Pair pair(const Block& a, const Block& b) { return unsigned_iq4_table.look_up(nibbles(a.codes, b.codes)); }
};

struct UnsignedIq4_xs : Blocks256<tensor::Iq4_xs, 32, 128, 255, false> {
  static Scales<1> scales(const Block* block) { return Iq4_xs::scales(block); }
  static Pair pair(const std::byte* row, std::size_t p) {
    const std::uint8_t* const codes = at(row, 0)->codes + p * 16;
    return unsigned_iq4_table.look_up(nibbles(codes, codes + 64));
  }
};

// A format as it is read here.
template <class F>
struct Unsigned {
  using Type = F;
};
template <>
struct Unsigned<Q8_0> {
  using Type = UnsignedQ8_0;
};
template <>
struct Unsigned<Iq4_nl> {
  using Type = UnsignedIq4_nl;
};
template <>
struct Unsigned<Iq4_xs> {
  using Type = UnsignedIq4_xs;
};

}  // namespace
}  // namespace hearth::kernels
