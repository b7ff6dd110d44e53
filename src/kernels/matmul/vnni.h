// Dot products of bytes, added to sums of 32 bits in one instruction, in vectors of 256 bits: AVX-VNNI's, or AVX-512's.
#pragma once

#include <immintrin.h>

namespace hearth::kernels {
namespace {

// Four products of unsigned and signed bytes to a lane.
inline __m256i dot_bytes(__m256i sums, __m256i codes, __m256i values) {
#if defined(__AVXVNNI__)
  return _mm256_dpbusd_avx_epi32(sums, codes, values);
#else
  return _mm256_dpbusd_epi32(sums, codes, values);
#endif
}

}  // namespace
}  // namespace hearth::kernels
