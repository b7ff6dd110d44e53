// The scales of blocks of 32, and their minimums: halves that lie a block apart, to floats. For AVX2 and all above.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace hearth::kernels {
namespace {

inline int first_word(const void* block) {
  int word;
  __builtin_memcpy(&word, block, sizeof word);
  return word;
}
template <int first, class Blocks>
[[gnu::always_inline]] inline __m128i four_words(const Blocks& block) {
  const __m128i one = _mm_cvtsi32_si128(first_word(&block(first)));
  const __m128i two = _mm_insert_epi32(one, first_word(&block(first + 1)), 1);
  return _mm_insert_epi32(_mm_insert_epi32(two, first_word(&block(first + 2)), 2), first_word(&block(first + 3)), 3);
}

struct EightScales {
  __m256 scale, minimum;
};

// A block begins with its scale, and its minimum if it has one. Eight words of four bytes hold both, or the scale and
// codes to be thrown away: no gather is as fast, nor halves by way of a buffer. block(i): the eight.
template <class Blocks>
[[gnu::always_inline]] inline EightScales eight_scales(const Blocks& block) {
  const __m256i words = _mm256_set_m128i(four_words<4>(block), four_words<0>(block));
  const __m256i low = _mm256_and_si256(words, _mm256_set1_epi32(0xffff)), high = _mm256_srli_epi32(words, 16);
  const __m256i halves = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xd8);  // eight low, eight high
  return {_mm256_cvtph_ps(_mm256_castsi256_si128(halves)), _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1))};
}

template <class Block>
[[gnu::always_inline]] inline EightScales eight_scales(const Block* blocks) {
  return eight_scales([=](int i) -> const Block& { return blocks[i]; });
}

template <class Block>
void read_scales(const Block* blocks, std::size_t count, float* scales, float* minimums) {
  constexpr bool minimum = requires(Block b) {
    b.minimum;
  };
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const EightScales eight = eight_scales(blocks + i);
    _mm256_storeu_ps(scales + i, eight.scale);
    if constexpr (minimum) _mm256_storeu_ps(minimums + i, eight.minimum);
  }
  for (; i < count; ++i) {
    scales[i] = _cvtsh_ss(blocks[i].scale);
    if constexpr (minimum) minimums[i] = _cvtsh_ss(blocks[i].minimum);
  }
}

}  // namespace
}  // namespace hearth::kernels
