// Values that stand far above the others of their token are kept as they are, aside; groups that they leave get scales
// that suit the rest [LLM.int8(): arXiv 2208.07339]. For AVX2 and all above.
#pragma once

#include "kernels/simd/avx2.h"

namespace hearth::kernels {
namespace {

constexpr std::size_t far_share = 32;  // a token keeps at most one of so many

// So many times a token's root mean square is far. Beyond three of them are the values that cause most of what rounding
// to bytes does to log-likelihoods of continuations (docs/how-to/measure.md); beyond six, one in 400, half of what it
// does to the next token after a long prompt (docs/performance.md).
constexpr float far_for_measured = 3, far_for_all = 6;

inline float root_mean_square(const float* x, std::size_t columns) {
  __m256 squares[4] = {};  // a chain each, so that none waits for the one before
  for (std::size_t i = 0; i < columns; i += 32)
    for (std::size_t j = 0; j < 4; ++j) {
      const __m256 values = _mm256_loadu_ps(x + i + j * 8);
      squares[j] = Avx2::fma(values, values, squares[j]);
    }
  return __builtin_sqrtf(Avx2::sum(Avx2::add(Avx2::add(squares[0], squares[1]), Avx2::add(squares[2], squares[3]))) /
                         static_cast<float>(columns));
}

// Bit i: |x[i]| > limit, of 32 columns.
inline unsigned larger(const float* x, float limit) {
  unsigned bits = 0;
  for (unsigned i = 0; i < 32; i += 8)
    bits |= static_cast<unsigned>(
                _mm256_movemask_ps(_mm256_cmp_ps(Avx2::abs(_mm256_loadu_ps(x + i)), _mm256_set1_ps(limit), _CMP_GT_OQ)))
            << i;
  return bits;
}

// Calls keep(i, x[i]) where bit i is set, and puts zero in its place. `room`: how many more may be kept.
template <class Keep>
void set_aside(float* x, unsigned bits, std::size_t& room, Keep keep) {
  for (; bits != 0 && room != 0; bits &= bits - 1, --room) {
    const auto i = static_cast<std::size_t>(__builtin_ctz(bits));
    keep(i, x[i]);
    x[i] = 0;
  }
}

// Of one token, in `chunk` columns.
template <std::size_t chunk>
struct Outliers {
  std::size_t count;
  struct Far {
    std::uint32_t column;  // from the chunk's first
    float value;
  } far[chunk / far_share];

  // Copies `columns` of x, 32 or 64, the first of which is `first` of the chunk, to `rest`, and keeps what is beyond
  // the limit.
  void take(const float* x, std::size_t columns, std::size_t first, float limit, float* rest) {
    __builtin_memcpy(rest, x, columns * sizeof(float));
    std::size_t room = chunk / far_share - count;
    for (std::size_t i = 0; i < columns; i += 32)
      set_aside(rest + i, larger(rest + i, limit), room, [&](std::size_t at, float value) {
        far[count++] = {static_cast<std::uint32_t>(first + i + at), value};
      });
  }
};

}  // namespace
}  // namespace hearth::kernels
