// Eight floats: AVX2 with FMA and F16C.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace hearth::kernels {
namespace {

struct Avx2 {
  using Float = __m256;
  static constexpr std::size_t lanes = 8;
  static constexpr std::size_t product_rows = 6, product_vectors = 2;  // 12 accumulators, 2 columns, 1 broadcast

  static Float zero() { return _mm256_setzero_ps(); }
  static Float splat(float x) { return _mm256_set1_ps(x); }
  static Float iota() { return _mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7); }
  static Float load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(float* p, Float v) { _mm256_storeu_ps(p, v); }
  static __m256i first(std::size_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static Float load_part(const float* p, std::size_t n) { return _mm256_maskload_ps(p, first(n)); }
  static void store_part(float* p, Float v, std::size_t n) { _mm256_maskstore_ps(p, first(n), v); }

  static Float add(Float a, Float b) { return _mm256_add_ps(a, b); }
  static Float sub(Float a, Float b) { return _mm256_sub_ps(a, b); }
  static Float mul(Float a, Float b) { return _mm256_mul_ps(a, b); }
  static Float div(Float a, Float b) { return _mm256_div_ps(a, b); }
  static Float fma(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }
  static Float max(Float a, Float b) { return _mm256_max_ps(a, b); }
  static Float min(Float a, Float b) { return _mm256_min_ps(a, b); }
  static Float abs(Float a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
  static Float where_less(Float a, Float b, Float yes, Float no) {
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
  }
  static bool any_greater(Float a, Float b) { return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ)) != 0; }
  static Float round(Float x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static Float scale_by_power(Float x, Float n) {
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_mul_ps(x, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
  }
  static float sum(Float v) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
  }
  static float maximum(Float v) {
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
  }
  static Float sums(const Float (&v)[lanes]) {
    const Float a = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
    const Float b = _mm256_hadd_ps(_mm256_hadd_ps(v[4], v[5]), _mm256_hadd_ps(v[6], v[7]));
    return _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
  }
  // The sums of four vectors, to p[0] and on.
  static void store_four_sums(float* p, const Float* v) {
    const Float halves = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
    _mm_storeu_ps(p, _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps(halves, 1)));
  }
  static void transpose(Float (&v)[lanes]) {
    Float a[8], b[8];
    for (int i = 0; i < 8; i += 2) {
      a[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
      a[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
      b[i] = _mm256_shuffle_ps(a[i], a[i + 2], 0x44);
      b[i + 1] = _mm256_shuffle_ps(a[i], a[i + 2], 0xee);
      b[i + 2] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0x44);
      b[i + 3] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0xee);
    }
    for (int i = 0; i < 4; ++i) {
      v[i] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x20);
      v[i + 4] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x31);
    }
  }
  static void interleave(Float a, Float b, Float& low, Float& high) {
    const Float x = _mm256_unpacklo_ps(a, b), y = _mm256_unpackhi_ps(a, b);
    low = _mm256_permute2f128_ps(x, y, 0x20);
    high = _mm256_permute2f128_ps(x, y, 0x31);
  }
  static void separate(Float low, Float high, Float& a, Float& b) {
    const Float x = _mm256_permute2f128_ps(low, high, 0x20), y = _mm256_permute2f128_ps(low, high, 0x31);
    a = _mm256_shuffle_ps(x, y, 0x88);
    b = _mm256_shuffle_ps(x, y, 0xdd);
  }

  static float half_to_float(std::uint16_t half) { return _cvtsh_ss(half); }
  static std::uint16_t float_to_half(float x) { return static_cast<std::uint16_t>(_cvtss_sh(x, 0)); }
  static Float load_half(const std::uint16_t* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static void store_half(std::uint16_t* p, Float v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
  }
  static __m128i load_bytes(const void* p) { return _mm_loadl_epi64(static_cast<const __m128i*>(p)); }
  static Float load_int8(const std::int8_t* p) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(load_bytes(p))); }
  static Float load_low_nibbles(const std::uint8_t* p) {
    return _mm256_cvtepi32_ps(_mm256_and_si256(_mm256_cvtepu8_epi32(load_bytes(p)), _mm256_set1_epi32(15)));
  }
  static Float load_high_nibbles(const std::uint8_t* p) {
    return _mm256_cvtepi32_ps(_mm256_srli_epi32(_mm256_cvtepu8_epi32(load_bytes(p)), 4));
  }

  // Words, two to a lane: numbers rounded to 16 bits, and sums of products of pairs of them.
  using Words = __m256i;
  static Words no_words() { return _mm256_setzero_si256(); }
  static Words load_words(const std::int32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static Words splat_pair(std::int32_t pair) { return _mm256_set1_epi32(pair); }
  static Words add_products(Words sums, Words a, Words b) {
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(a, b));
    __asm__("" : "+x"(sums));  // keeps GCC from gathering sums into trees, whose leaves would not fit in registers
    return sums;
  }
  static Float to_floats(Words sums) { return _mm256_cvtepi32_ps(sums); }
  static void store_words(std::int16_t* p, Float a, Float b) {
    const __m256i mixed = _mm256_packs_epi32(_mm256_cvtps_epi32(a), _mm256_cvtps_epi32(b));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(mixed, 0xd8));
  }
  static void store_pairs(std::int32_t* p, Float first, Float second) {
    const __m256i high = _mm256_slli_epi32(_mm256_cvtps_epi32(second), 16);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_blend_epi16(_mm256_cvtps_epi32(first), high, 0xaa));
  }
};

}  // namespace
}  // namespace hearth::kernels
