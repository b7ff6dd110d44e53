// The tile registers of Intel AMX, and how codes become the bfloat16 numbers that they multiply.
#pragma once

#include "kernels/simd/avx512.h"

namespace hearth::kernels {
namespace {

constexpr std::size_t amx_tokens = 16, amx_tile_width = 64, amx_tile_bytes = amx_tokens * amx_tile_width;

// The instructions, with what they read told: GCC 12's own functions hide it, so that stores before them may come
// after.
template <int tile>
void tile_load(const void* from, std::size_t stride) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(tile) : "memory");
}
template <int tile>
void tile_store(void* to, std::size_t stride) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride), "i"(tile) : "memory");
}
template <int tile>
void tile_zero() {
  __asm__ volatile("tilezero %%tmm%c0" : : "i"(tile));
}
// sums[m][n] += a[m][k] * b[k][n] for 16 m, 16 n, 32 k; b holds pairs of k: [k / 2][n][2]
template <int sums, int a, int b>
void tile_multiply() {
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(sums), "i"(a), "i"(b));
}

// The eight tiles, of 16 rows of 64 bytes, for as long as this lives: the system keeps 8 KB for a thread that has them,
// so they are given back.
struct AmxTiles {
  AmxTiles() {
    struct {
      std::uint8_t palette = 1, start = 0, reserved[14] = {};
      std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } shape;
    static_assert(sizeof shape == 64);
    __asm__ volatile("ldtilecfg %0" : : "m"(shape));
  }
  ~AmxTiles() { __asm__ volatile("tilerelease"); }
  AmxTiles(const AmxTiles&) = delete;
  AmxTiles& operator=(const AmxTiles&) = delete;
};

// Not a number, whatever its bits were, is one that may be rounded by adding to them.
inline __m512 with_plain_nans(__m512 v) {
  return _mm512_mask_mov_ps(v, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q),
                            _mm512_castsi512_ps(_mm512_set1_epi32(0x7fc00000)));
}

// What a number from 1 to 2 that has a code as part of it is multiplied with to become a weight, and what is added.
template <class F>
struct OfNumber {
  static constexpr bool eight_bits = F::most > 127;
  static constexpr float unit = eight_bits ? 256 : 128;  // the number is 1 + code / unit
  __m512 factor, addend;
  OfNumber(__m512 scale, __m512 minimum)
      : factor(with_plain_nans(_mm512_mul_ps(scale, _mm512_set1_ps(unit)))),
        addend(with_plain_nans(_mm512_fnmadd_ps(factor, _mm512_set1_ps(1 + F::offset / unit), minimum))) {}
};

// A code in each byte of a lane to the weights of the first bytes, the second, and so on.
template <bool eight_bits>
void to_weights(__m512i codes, __m512 factor, __m512 addend, __m512 (&weights)[4]) {
  constexpr int up = eight_bits ? 15 : 16;
  const __m512i mask = _mm512_set1_epi32(255 << up), one = _mm512_set1_epi32(0x3f800000);
  const auto weight = [&](__m512i moved) {
    const __m512 number =
        _mm512_castsi512_ps(_mm512_ternarylogic_epi32(moved, mask, one, 0xea));  // (moved & mask) | one
    return _mm512_fmadd_ps(number, factor, addend);
  };
  weights[0] = weight(_mm512_slli_epi32(codes, up));
  weights[1] = weight(_mm512_slli_epi32(codes, up - 8));
  weights[2] = weight(_mm512_srli_epi32(codes, 16 - up));
  weights[3] = weight(_mm512_srli_epi32(codes, 24 - up));
}

// Two vectors to one of pairs of bfloat16, rounded to the nearest: the upper halves.
inline __m512i join_pairs(__m512 first, __m512 second) {
  const __m512i half = _mm512_set1_epi32(0x8000);
  return _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(_mm512_add_epi32(_mm512_castps_si512(first), half), 16),
                                 _mm512_add_epi32(_mm512_castps_si512(second), half));
}

}  // namespace
}  // namespace hearth::kernels
