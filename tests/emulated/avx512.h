// AVX-512 for machines without it, so that tests can hold its kernels to account there: SIMDe's functions, and the few
// that it lacks. Slow. Forced into src/kernels/isa/avx512*.cpp by cmake/emulated.cmake.
#pragma once

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <immintrin.h>
#include <simde/x86/avx512.h>

namespace {

template <class To, class From, class ToVector, class FromVector, class Function>
inline ToVector each_lane(const FromVector& from, Function function) {
  constexpr int count = sizeof(FromVector) / sizeof(From);
  From in[count];
  To out[count];
  ToVector to;
  __builtin_memcpy(in, &from, sizeof in);
  for (int i = 0; i < count; ++i) out[i] = function(in[i]);
  __builtin_memcpy(&to, out, sizeof out);
  return to;
}
inline __m512i emulated_cvtepi8_epi32(__m128i v) {
  return each_lane<int, signed char, __m512i>(v, [](signed char x) { return int{x}; });
}
inline __m512i emulated_cvtepu8_epi32(__m128i v) {
  return each_lane<int, unsigned char, __m512i>(v, [](unsigned char x) { return int{x}; });
}
inline __m256i emulated_cvtepi32_epi16(__m512i v) {
  return each_lane<short, int, __m256i>(v, [](int x) { return static_cast<short>(x); });
}
inline __m256i emulated_cvtps_ph(__m512 v) {
  return each_lane<unsigned short, float, __m256i>(v, [](float x) { return _cvtss_sh(x, 0); });
}
inline __m512i emulated_zext(__m256i v) {
  __m512i to = simde_mm512_setzero_si512();
  __builtin_memcpy(&to, &v, sizeof v);
  return to;
}
// To bfloat16, to the nearest, the even one of two.
inline __m512i emulated_cvtne2ps_pbh(__m512 second, __m512 first) {
  unsigned in[32];
  unsigned short out[32];
  __builtin_memcpy(in, &first, sizeof first);
  __builtin_memcpy(in + 16, &second, sizeof second);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<unsigned short>((in[i] + 0x7fff + (in[i] >> 16 & 1)) >> 16);
  __m512i to;
  __builtin_memcpy(&to, out, sizeof to);
  return to;
}
// SIMDe's masked accesses touch memory that the mask forbids.
template <class Lane, class Vector>
inline Vector emulated_masked_load(unsigned mask, const void* from) {
  constexpr int count = sizeof(Vector) / sizeof(Lane);
  Lane lanes[count] = {};
  for (int i = 0; i < count; ++i)
    if (mask >> i & 1) __builtin_memcpy(&lanes[i], static_cast<const Lane*>(from) + i, sizeof(Lane));
  Vector v;
  __builtin_memcpy(&v, lanes, sizeof v);
  return v;
}
inline void emulated_mask_storeu_ps(void* to, unsigned mask, const __m512& v) {
  float lanes[16];
  __builtin_memcpy(lanes, &v, sizeof lanes);
  for (int i = 0; i < 16; ++i)
    if (mask >> i & 1) __builtin_memcpy(static_cast<float*>(to) + i, &lanes[i], sizeof(float));
}
// The order in which the processor's own function adds: halves, quarters and so on.
template <class Lane, class Vector>
inline Lane emulated_sum(const Vector& v) {
  Lane lanes[16];
  __builtin_memcpy(lanes, &v, sizeof lanes);
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  return lanes[0];
}

}  // namespace

#define _mm512_cvtepi8_epi32 emulated_cvtepi8_epi32
#define _mm512_cvtepu8_epi32 emulated_cvtepu8_epi32
#define _mm512_cvtepi32_epi16 emulated_cvtepi32_epi16
#define _mm512_cvtps_ph(v, rounding) emulated_cvtps_ph(v)
#define _mm512_zextsi256_si512 emulated_zext
#define _mm512_reduce_add_epi32(v) emulated_sum<int>(v)
#define _mm512_reduce_add_ps(v) emulated_sum<float>(v)
#define _mm512_cvtne2ps_pbh emulated_cvtne2ps_pbh
#undef _mm512_mask_storeu_ps
#define _mm512_mask_storeu_ps emulated_mask_storeu_ps
#undef _mm512_maskz_loadu_ps
#define _mm512_maskz_loadu_ps emulated_masked_load<float, __m512>
#undef _mm256_maskz_loadu_epi16
#define _mm256_maskz_loadu_epi16 emulated_masked_load<short, __m256i>
#undef _mm512_maskz_loadu_epi16
#define _mm512_maskz_loadu_epi16 emulated_masked_load<short, __m512i>
