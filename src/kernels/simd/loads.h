// Loads of bytes from any address.
#pragma once

#include <immintrin.h>

namespace hearth::kernels {
namespace {

inline __m128i load16(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}
inline __m256i load32(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

}  // namespace
}  // namespace hearth::kernels
