// Sixteen floats: AVX-512 F, BW, VL, DQ.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace hearth::kernels {
namespace {

struct Avx512 {
  using Float = __m512;
  static constexpr std::size_t lanes = 16;
  static constexpr std::size_t product_rows = 6, product_vectors = 4;  // 24 accumulators, 4 columns, 1 broadcast

  static Float zero() { return _mm512_setzero_ps(); }
  static Float splat(float x) { return _mm512_set1_ps(x); }
  static Float iota() { return _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }
  static Float load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, Float v) { _mm512_storeu_ps(p, v); }
  static __mmask16 first(std::size_t n) { return static_cast<__mmask16>((1u << n) - 1); }
  static Float load_part(const float* p, std::size_t n) { return _mm512_maskz_loadu_ps(first(n), p); }
  static void store_part(float* p, Float v, std::size_t n) { _mm512_mask_storeu_ps(p, first(n), v); }

  static Float add(Float a, Float b) { return _mm512_add_ps(a, b); }
  static Float sub(Float a, Float b) { return _mm512_sub_ps(a, b); }
  static Float mul(Float a, Float b) { return _mm512_mul_ps(a, b); }
  static Float div(Float a, Float b) { return _mm512_div_ps(a, b); }
  static Float fma(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
  static Float max(Float a, Float b) { return _mm512_max_ps(a, b); }
  static Float min(Float a, Float b) { return _mm512_min_ps(a, b); }
  static Float abs(Float a) { return _mm512_abs_ps(a); }
  static Float where_less(Float a, Float b, Float yes, Float no) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
  }
  static bool any_greater(Float a, Float b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ) != 0; }
  static Float round(Float x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static Float scale_by_power(Float x, Float n) { return _mm512_scalef_ps(x, n); }
  static float sum(Float v) { return _mm512_reduce_add_ps(v); }
  static float maximum(Float v) { return _mm512_reduce_max_ps(v); }
  static Float sums(const Float (&v)[lanes]) {
    Float pairs[8], fours[4];
    for (int i = 0; i < 8; ++i)
      pairs[i] = _mm512_add_ps(_mm512_unpacklo_ps(v[2 * i], v[2 * i + 1]), _mm512_unpackhi_ps(v[2 * i], v[2 * i + 1]));
    for (int i = 0; i < 4; ++i)
      fours[i] = _mm512_add_ps(_mm512_shuffle_ps(pairs[2 * i], pairs[2 * i + 1], 0x44),
                               _mm512_shuffle_ps(pairs[2 * i], pairs[2 * i + 1], 0xee));
    const Float a = add_quarters(fours[0], fours[1]), b = add_quarters(fours[2], fours[3]);
    return add_quarters(a, b);
  }
  static void transpose(Float (&v)[lanes]) {
    Float a[16], b[16];
    for (int i = 0; i < 16; i += 2) {
      a[i] = _mm512_unpacklo_ps(v[i], v[i + 1]);
      a[i + 1] = _mm512_unpackhi_ps(v[i], v[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
      b[i] = _mm512_shuffle_ps(a[i], a[i + 2], 0x44);
      b[i + 1] = _mm512_shuffle_ps(a[i], a[i + 2], 0xee);
      b[i + 2] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0x44);
      b[i + 3] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0xee);
    }
    for (int i = 0; i < 4; ++i) {
      a[i] = _mm512_shuffle_f32x4(b[i], b[i + 4], 0x88);
      a[i + 4] = _mm512_shuffle_f32x4(b[i], b[i + 4], 0xdd);
      a[i + 8] = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0x88);
      a[i + 12] = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0xdd);
    }
    for (int i = 0; i < 4; ++i) {
      v[i] = _mm512_shuffle_f32x4(a[i], a[i + 8], 0x88);
      v[i + 8] = _mm512_shuffle_f32x4(a[i], a[i + 8], 0xdd);
      v[i + 4] = _mm512_shuffle_f32x4(a[i + 4], a[i + 12], 0x88);
      v[i + 12] = _mm512_shuffle_f32x4(a[i + 4], a[i + 12], 0xdd);
    }
  }
  static void interleave(Float a, Float b, Float& low, Float& high) {
    low = _mm512_permutex2var_ps(a, _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23), b);
    high =
        _mm512_permutex2var_ps(a, _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31), b);
  }
  static void separate(Float low, Float high, Float& a, Float& b) {
    a = _mm512_permutex2var_ps(low, _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30), high);
    b = _mm512_permutex2var_ps(low, _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31), high);
  }

  static float half_to_float(std::uint16_t half) { return _cvtsh_ss(half); }
  static std::uint16_t float_to_half(float x) { return static_cast<std::uint16_t>(_cvtss_sh(x, 0)); }
  static Float load_half(const std::uint16_t* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static void store_half(std::uint16_t* p, Float v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
  }
  static __m128i load_bytes(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
  static Float load_int8(const std::int8_t* p) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load_bytes(p))); }
  static Float load_low_nibbles(const std::uint8_t* p) {
    return _mm512_cvtepi32_ps(_mm512_and_si512(_mm512_cvtepu8_epi32(load_bytes(p)), _mm512_set1_epi32(15)));
  }
  static Float load_high_nibbles(const std::uint8_t* p) {
    return _mm512_cvtepi32_ps(_mm512_srli_epi32(_mm512_cvtepu8_epi32(load_bytes(p)), 4));
  }

  // Words, two to a lane: numbers rounded to 16 bits, and sums of products of pairs of them.
  using Words = __m512i;
  static Words no_words() { return _mm512_setzero_si512(); }
  static Words load_words(const std::int32_t* p) { return _mm512_loadu_si512(p); }
  static Words splat_pair(std::int32_t pair) { return _mm512_set1_epi32(pair); }
  // Assembly for the reason given at Avx512Product::add_dot.
  static Words add_products(Words sums, Words a, Words b) {
#if defined(__AVX512VNNI__)
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sums) : "v"(a), "v"(b));
    return sums;
#else
    return _mm512_dpwssd_epi32(sums, a, b);  // emulated
#endif
  }
  static Float to_floats(Words sums) {
    return _mm512_cvtepi32_ps(sums);
  }
  static void store_words(std::int16_t* p, Float a, Float b) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(a)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 16), _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(b)));
  }
  static void store_pairs(std::int32_t* p, Float first, Float second) {
    const __m512i high = _mm512_slli_epi32(_mm512_cvtps_epi32(second), 16);
    _mm512_storeu_si512(p, _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_cvtps_epi32(first), high));
  }

 private:
  // Lanes of four: (a0 + a1, a2 + a3, b0 + b1, b2 + b3)
  static Float add_quarters(Float a, Float b) {
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
  }
};

}  // namespace
}  // namespace hearth::kernels
