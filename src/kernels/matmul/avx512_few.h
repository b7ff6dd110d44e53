// What AVX-512 adds to VNNI's products with a few tokens: scales found by a permutation. Other vectors stay at 256
// bits: what is not a dot product is shuffles and scales, which processors with vectors of 512 start no faster, or half
// as fast.
#pragma once

#include "kernels/matmul/vnni_few.h"

namespace hearth::kernels {
namespace {

// Where the scales of eight blocks of 32 are, and their minimums: as words of two times 64 bytes, four blocks apart, or
// two blocks apart where four do not fit.
template <class Block>
struct ScaleIndex {
  static constexpr int size = sizeof(Block), apart = 3 * size + 4 <= 64 ? 4 : 2;
  // What is read of the last blocks ends with them.
  static constexpr int start(int block) { return block * size + 64 <= 8 * size ? block * size : 8 * size - 64; }
  alignas(64) std::int16_t words[32];  // scales, then minimums, of blocks `first` and on
  constexpr explicit ScaleIndex(int first) : words() {
    for (int i = 0; i < 2 * apart; ++i) {
      const int from = first + i / apart * apart, word = ((first + i) * size - start(from)) / 2 + i / apart * 32;
      words[i] = static_cast<std::int16_t>(word);
      words[2 * apart + i] = static_cast<std::int16_t>(word + 1);
    }
  }
};
template <class Block, int first>
__m512i scale_words(const Block* blocks) {
  using Index = ScaleIndex<Block>;
  static constexpr Index index(first);
  const auto* const bytes = reinterpret_cast<const std::byte*>(blocks);
  return _mm512_permutex2var_epi16(_mm512_loadu_si512(bytes + Index::start(first)), _mm512_load_si512(index.words),
                                   _mm512_loadu_si512(bytes + Index::start(first + Index::apart)));
}
template <class Block>
EightScales permuted_scales(const Block* blocks) {
  __m128i scales, minimums;
  if constexpr (ScaleIndex<Block>::apart == 4) {
    const __m512i words = scale_words<Block, 0>(blocks);
    const __m256i all = _mm512_castsi512_si256(words);
    scales = _mm256_castsi256_si128(all);
    minimums = _mm256_extracti128_si256(all, 1);
  } else {
    const __m512i first = scale_words<Block, 0>(blocks), second = scale_words<Block, 4>(blocks);
    const __m128i low = _mm512_castsi512_si128(first), high = _mm512_castsi512_si128(second);
    scales = _mm_unpacklo_epi64(low, high);
    minimums = _mm_unpackhi_epi64(low, high);
  }
  return {_mm256_cvtph_ps(scales), _mm256_cvtph_ps(minimums)};
}

struct Avx512FewProduct : VnniProduct {
  // One permutation finds all, which pays where memory is waited for; with several tokens it costs more than it spares:
  // while a vector of 512 bits is on its way, one of the three ports rests.
  template <class F, int tokens>
  static auto scales(const typename F::Block* blocks) {
    if constexpr (tokens == 1 && F::Block::weights == 32 && requires { blocks->scale; }) {
      const EightScales eight = permuted_scales(blocks);
      return Scales<1>{{eight.scale}, {eight.minimum}};
    } else {
      return F::scales(blocks);
    }
  }
};

}  // namespace
}  // namespace hearth::kernels
