// How AVX2 reads each format: 32 codes at a time, in the order of the weights or as pairs of them, as bytes, unsigned
// where they have six bits or less; and the scales of each group of 16 or 32, with the minimum where there is one.
// weight = scale * (code - offset) + minimum.
#pragma once

#include "kernels/matmul/avx2.h"
#include "kernels/matmul/block_scales.h"
#include "kernels/matmul/unroll.h"
#include "tensor/formats/formats.h"

namespace hearth::kernels {
namespace {

inline std::uint32_t load_word(const void* p) {
  std::uint32_t word;
  __builtin_memcpy(&word, p, sizeof word);
  return word;
}
inline __m256i low_nibbles(__m256i v) {
  return _mm256_and_si256(v, _mm256_set1_epi8(15));
}
// The low halves of 16 bytes, then the high.
inline __m256i nibbles(const void* p) {
  return low_nibbles(_mm256_srlv_epi64(_mm256_broadcastsi128_si256(load16(p)), _mm256_setr_epi64x(0, 0, 4, 4)));
}
inline __m256i shift_right(__m256i v, std::size_t count) {  // across bytes: mask what comes
  return _mm256_srli_epi16(v, static_cast<int>(count));
}
// The codes of two times 32 columns, as activations have them: 0 to 15 of both, then 16 to 31.
struct Pair {
  __m256i first, second;
};
inline __m256i both(const void* low, const void* high) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(load16(low)), load16(high), 1);
}
inline __m256i twice(const void* p) {
  return _mm256_broadcastsi128_si256(load16(p));
}
inline Pair nibbles(const void* low, const void* high) {
  const __m256i v = both(low, high);
  return {low_nibbles(v), low_nibbles(shift_right(v, 4))};
}

// Eight rows of weights, or what is the same place in each.
struct EightRows {
  const std::byte* first;
  std::size_t apart;

  const std::byte* operator[](std::size_t row) const { return first + row * apart; }
  EightRows from(std::size_t byte) const { return {first + byte, apart}; }
};
// The halves (float16) in the low bits of words whose other bits are zero.
inline __m256 low_halves(__m256i words) {
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(words, words), 0xd8);
  return _mm256_cvtph_ps(_mm256_castsi256_si128(packed));
}
// 16 bytes of each row, turned: lane r of out[i] is row r's word i.
[[gnu::always_inline]] inline void turn_pieces(const EightRows& rows, __m256i (&out)[4]) {
  __m256i two[4];  // rows k and k + 4
  const std::byte* at = rows.first;
  for (int k = 0; k < 4; ++k, at += rows.apart) two[k] = both(at, at + 4 * rows.apart);
  const __m256i a = _mm256_unpacklo_epi32(two[0], two[1]), b = _mm256_unpackhi_epi32(two[0], two[1]);
  const __m256i c = _mm256_unpacklo_epi32(two[2], two[3]), d = _mm256_unpackhi_epi32(two[2], two[3]);
  out[0] = _mm256_unpacklo_epi64(a, c);
  out[1] = _mm256_unpackhi_epi64(a, c);
  out[2] = _mm256_unpacklo_epi64(b, d);
  out[3] = _mm256_unpackhi_epi64(b, d);
}
// Pieces whose low and high nibbles are codes: calls use(i, codes) for the steps of four columns that begin with these.
template <class Use>
[[gnu::always_inline]] inline void turn_nibbles(const EightRows& rows, int low, int high, Use use) {
  __m256i pieces[4];
  turn_pieces(rows, pieces);
  for (int i = 0; i < 4; ++i) {
    use(low + i, low_nibbles(pieces[i]));
    use(high + i, low_nibbles(_mm256_srli_epi16(pieces[i], 4)));
  }
}

// `value` in the bytes where `bits` has a bit of `mask`.
inline __m256i where(__m256i bits, __m256i mask, int value) {
  return _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(bits, mask), mask),
                          _mm256_set1_epi8(static_cast<char>(value)));
}

// The scales of a group of 256 columns, and their minimums: of eight times 32, or of sixteen times 16.
template <std::size_t n>
struct Scales {
  __m256 scale[n], minimum[n];
};

template <std::size_t n>
Scales<n> times(Scales<n> all, float by) {
  for (__m256& scale : all.scale) scale = _mm256_mul_ps(scale, _mm256_set1_ps(by));
  return all;
}

// The same of any number of blocks, one after the other.
template <class F>
void expand(const typename F::Block* blocks, std::size_t count, float* scales, float* minimums) {
  constexpr std::size_t together = group_columns / F::Block::weights;
  std::size_t i = 0;
  for (; i + together <= count; i += together) {
    const auto all = F::scales(blocks + i);
    for (std::size_t k = 0; k < group_columns / F::group / 8; ++k, scales += 8, minimums += 8) {
      _mm256_storeu_ps(scales, all.scale[k]);
      if constexpr (F::minimum) _mm256_storeu_ps(minimums, all.minimum[k]);
    }
  }
  if constexpr (F::Block::weights == 32)
    for (; i < count; ++i) {
      *scales++ = F::scale(blocks[i]);
      if constexpr (F::minimum) *minimums++ = Avx2::half_to_float(blocks[i].minimum);
    }
}

// The same of formats whose codes have three bits or less: integers, and what one of them is worth. Such formats'
// codes in pairs, or rather sums of them, are `times` too large.
struct WordScales {
  __m256i scale, minimum;
  __m256 unit, minimum_unit;
};

// Blocks of 32: one a step, a scale before the codes.
template <class B, int Offset, int Most, bool Signed = false>
struct Blocks32 {
  using Block = B;
  static constexpr std::size_t group = 32;
  static constexpr int offset = Offset, most = Most;  // codes are 0 to `most`; if signed, in magnitude
  static constexpr bool minimum = requires(B b) { b.minimum; };
  static constexpr bool is_signed = Signed;
  static const Block* at(const std::byte* row, std::size_t step) { return reinterpret_cast<const Block*>(row) + step; }
  static float scale(const Block& block) { return Avx2::half_to_float(block.scale); }
  template <class Blocks>
  static Scales<1> scales_of(const Blocks& block) {  // block(i): any eight
    const EightScales eight = eight_scales(block);
    return {{eight.scale}, {eight.minimum}};
  }
  static Scales<1> scales(const Block* blocks) {
    return scales_of([=](int i) -> const Block& { return blocks[i]; });
  }
};

template <class B, int Offset>
struct Nibbles : Blocks32<B, Offset, 15> {
  using Blocks32<B, Offset, 15>::at;
  static __m256i codes(const std::byte* row, std::size_t step) { return nibbles(at(row, step)->codes); }
  static Pair pair(const B& a, const B& b) { return nibbles(a.codes, b.codes); }
  template <class Use>
  [[gnu::always_inline]] static void turn(const EightRows& rows, std::size_t step, Use use) {
    turn_nibbles(rows.from(step * sizeof(B) + offsetof(B, codes)), 0, 4, use);
  }
};
using Q4_0 = Nibbles<tensor::Q4_0, 8>;
using Q4_1 = Nibbles<tensor::Q4_1, 0>;

template <class B, int Offset>
struct FiveBits : Blocks32<B, Offset, 31> {
  using Blocks32<B, Offset, 31>::at;
  static constexpr long long byte0 = 0, byte1 = 0x0101010101010101, byte2 = 2 * byte1, byte3 = 3 * byte1;
  static __m128i high_word(const B& block) { return _mm_set1_epi32(static_cast<int>(load_word(block.high))); }
  static __m256i with_high(__m256i low, __m256i words, __m256i bytes) {
    const __m256i mask = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201));
    return _mm256_or_si256(low, where(_mm256_shuffle_epi8(words, bytes), mask, 16));
  }
  static __m256i codes(const std::byte* row, std::size_t step) {
    const B* const block = at(row, step);
    return with_high(nibbles(block->codes), _mm256_broadcastsi128_si256(high_word(*block)),
                     _mm256_setr_epi64x(byte0, byte1, byte2, byte3));
  }
  static Pair pair(const B& a, const B& b) {
    const Pair low = nibbles(a.codes, b.codes);
    const __m256i words = _mm256_set_m128i(high_word(b), high_word(a));
    return {with_high(low.first, words, _mm256_setr_epi64x(byte0, byte1, byte0, byte1)),
            with_high(low.second, words, _mm256_setr_epi64x(byte2, byte3, byte2, byte3))};
  }
};
using Q5_0 = FiveBits<tensor::Q5_0, 16>;
using Q5_1 = FiveBits<tensor::Q5_1, 0>;

struct Q8_0 : Blocks32<tensor::Q8_0, 0, 128, true> {
  static __m256i codes(const std::byte* row, std::size_t step) { return load32(at(row, step)->codes); }
  static Pair pair(const Block& a, const Block& b) {
    return {both(a.codes, b.codes), both(a.codes + 16, b.codes + 16)};
  }
};

// Codes of 0 to 255, which stand for 128 less.
struct UnsignedQ8_0 : Blocks32<tensor::Q8_0, 128, 255> {
  static __m256i unsign(__m256i codes) { return _mm256_xor_si256(codes, _mm256_set1_epi8(-128)); }
  static __m256i codes(const std::byte* row, std::size_t step) { return unsign(Q8_0::codes(row, step)); }
  static Pair pair(const Block& a, const Block& b) {
    const Pair codes = Q8_0::pair(a, b);
    return {unsign(codes.first), unsign(codes.second)};
  }
  template <class Use>
  [[gnu::always_inline]] static void turn(const EightRows& rows, std::size_t step, Use use) {
    for (int half = 0; half < 2; ++half) {
      __m256i pieces[4];
      turn_pieces(rows.from(step * sizeof(Block) + offsetof(Block, codes) + std::size_t(half) * 16), pieces);
      for (int i = 0; i < 4; ++i) use(half * 4 + i, unsign(pieces[i]));
    }
  }
};

// Codes that a table gives meaning.
struct Table16 {
  alignas(16) std::int8_t values[16];
  constexpr Table16(const std::int8_t (&signed_values)[16], int offset) : values() {
    for (int i = 0; i < 16; ++i) values[i] = static_cast<std::int8_t>(signed_values[i] + offset);
  }
  __m256i look_up(__m256i codes) const {
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(load16(values)), codes);
  }
  Pair look_up(Pair codes) const { return {look_up(codes.first), look_up(codes.second)}; }
};
constexpr Table16 iq4_table{tensor::iq4_values, 0};
constexpr Table16 mxfp4_table{tensor::mxfp4_doubled, 12};

struct Iq4_nl : Blocks32<tensor::Iq4_nl, 0, 127, true> {
  static __m256i indices(const std::byte* row, std::size_t step) { return nibbles(at(row, step)->codes); }
  static std::size_t codes_at(std::size_t step) { return step * sizeof(Block) + offsetof(Block, codes); }
  static __m256i codes(const std::byte* row, std::size_t step) { return iq4_table.look_up(indices(row, step)); }
  static Pair pair(const Block& a, const Block& b) { return iq4_table.look_up(nibbles(a.codes, b.codes)); }
};

struct Mxfp4 {
  using Block = tensor::Mxfp4;
  static constexpr std::size_t group = 32;
  static constexpr int offset = 12, most = 24;
  static constexpr bool minimum = false, is_signed = false;
  static float scale(const Block& block) { return tensor::half_scale(block); }
  static Scales<1> scales(const Block* blocks) {
    return scales_of([=](int i) -> const Block& { return blocks[i]; });
  }
  template <class Blocks>
  static Scales<1> scales_of(const Blocks& block) {  // half_scale of eight
    std::uint64_t bytes = 0;
    for (int i = 0; i < 8; ++i) bytes |= std::uint64_t{block(i).exponent} << 8 * i;
    const __m256i exponents = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(bytes)));
    const __m256i one = _mm256_set1_epi32(1), small = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), exponents);
    const __m256i bits = _mm256_blendv_epi8(small, _mm256_slli_epi32(_mm256_sub_epi32(exponents, one), 23),
                                            _mm256_cmpgt_epi32(exponents, one));
    return {{_mm256_castsi256_ps(bits)}, {}};
  }
  static __m256i codes(const std::byte* row, std::size_t step) {
    return mxfp4_table.look_up(nibbles((reinterpret_cast<const Block*>(row) + step)->codes));
  }
  template <class Use>
  [[gnu::always_inline]] static void turn(const EightRows& rows, std::size_t step, Use use) {
    turn_nibbles(
        rows.from(step * sizeof(Block) + offsetof(Block, codes)), 0,
        4, [&](int i, __m256i codes) __attribute__((always_inline)) { use(i, mxfp4_table.look_up(codes)); });
  }
  static Pair pair(const Block& a, const Block& b) { return mxfp4_table.look_up(nibbles(a.codes, b.codes)); }
};

// Blocks of 256: eight steps each.
template <class B, std::size_t Group, int Offset, int Most, bool Minimum, bool Signed = false>
struct Blocks256 {
  using Block = B;
  static constexpr std::size_t group = Group;
  static constexpr int offset = Offset, most = Most;
  static constexpr bool minimum = Minimum, is_signed = Signed;
  static const Block* at(const std::byte* row, std::size_t step) {
    return reinterpret_cast<const Block*>(row) + step / 8;
  }
};

// Eight bytes to floats, less `offset`, times `scale`.
inline __m256 scaled(__m128i bytes, int offset, float scale) {
  __m256i values = _mm256_cvtepu8_epi32(bytes);
  if (offset != 0) values = _mm256_sub_epi32(values, _mm256_set1_epi32(offset));
  return _mm256_mul_ps(_mm256_cvtepi32_ps(values), _mm256_set1_ps(scale));
}

template <class B, int Most>
struct ScaledNibbles : Blocks256<B, 32, 0, Most, true> {
  // Twelve bytes: of the first four scales, then minimums, six bits and the high two of the last four, whose low four
  // are in the last four bytes. Codes follow: sixteen may be read.
  static Scales<1> scales(const B* block) {
    const __m128i packed = load16(block->scales.bytes);
    const __m128i last = _mm_srlv_epi32(_mm_shuffle_epi32(packed, 0xaa), _mm_setr_epi32(0, 4, 0, 4));
    const __m128i low = _mm_and_si128(packed, _mm_set1_epi8(0x3f));
    const __m128i high = _mm_or_si128(_mm_and_si128(_mm_srli_epi16(packed, 2), _mm_set1_epi8(0x30)),
                                      _mm_and_si128(last, _mm_set1_epi8(15)));
    const __m128i both = _mm_unpacklo_epi32(low, high);
    return {{scaled(both, 0, Avx2::half_to_float(block->scale))},
            {scaled(_mm_srli_si128(both, 8), 0, -Avx2::half_to_float(block->minimum))}};
  }
  // The same of eight rows, side by side.
  static void read_scales(const EightRows& block, float (*scales)[8], float (*minimums)[8]) {
    __m256i head[4];  // both halves, then the twelve bytes
    turn_pieces(block, head);
    const __m256 scale = low_halves(_mm256_and_si256(head[0], _mm256_set1_epi32(0xffff)));
    const __m256 minimum = _mm256_xor_ps(low_halves(_mm256_srli_epi32(head[0], 16)), _mm256_set1_ps(-0.0f));
    const auto six_bits = [](__m256i four, __m256i two) {  // those stand two bits further up
      return _mm256_or_si256(low_nibbles(four), _mm256_and_si256(shift_right(two, 2), _mm256_set1_epi8(0x30)));
    };
    const __m256i all_six = _mm256_set1_epi8(0x3f);
    const __m256i of_scales[2] = {_mm256_and_si256(head[1], all_six), six_bits(head[3], head[1])};
    const __m256i of_minimums[2] = {_mm256_and_si256(head[2], all_six), six_bits(shift_right(head[3], 4), head[2])};
    for (int i = 0; i < 8; ++i) {
      const auto times = [&](__m256i bytes, __m256 by) {
        const __m256i byte = _mm256_and_si256(_mm256_srli_epi32(bytes, i % 4 * 8), _mm256_set1_epi32(255));
        return _mm256_mul_ps(_mm256_cvtepi32_ps(byte), by);
      };
      _mm256_store_ps(scales[i], times(of_scales[i / 4], scale));
      _mm256_store_ps(minimums[i], times(of_minimums[i / 4], minimum));
    }
  }
  static __m256i low(const B* block, std::size_t step) {
    return low_nibbles(shift_right(load32(block->codes + step % 8 / 2 * 32), step % 2 * 4));
  }
  static Pair low_pair(const B* block, std::size_t p) {
    const std::uint8_t* const at = block->codes + p / 2 * 32;
    const std::size_t shift = p % 2 * 4;
    return {low_nibbles(shift_right(both(at, at + 64), shift)),
            low_nibbles(shift_right(both(at + 16, at + 80), shift))};
  }
};

struct Q4_K : ScaledNibbles<tensor::Q4_K, 15> {
  static __m256i codes(const std::byte* row, std::size_t step) { return low(at(row, step), step); }
  static Pair pair(const std::byte* row, std::size_t p) { return low_pair(at(row, 0), p); }
  static constexpr std::size_t steps_at_once = 2;
  template <class Use>
  [[gnu::always_inline]] static void turn(const EightRows& rows, std::size_t step, Use use) {
    const EightRows codes = rows.from(step / 8 * sizeof(Block) + offsetof(Block, codes) + step % 8 * 16);
    for (int half = 0; half < 2; ++half) turn_nibbles(codes.from(std::size_t(half) * 16), half * 4, half * 4 + 8, use);
  }
};

inline __m256i bit_mask(std::size_t step) {
  return _mm256_set1_epi8(static_cast<char>(1 << step % 8));
}
// 32 bytes hold bit `step` of 32 times `step`: `value` where it is set, for a pair.
inline Pair with_bits(Pair low, const std::uint8_t* high, std::size_t p, int value) {
  const __m256i mask = _mm256_inserti128_si256(bit_mask(p), _mm256_castsi256_si128(bit_mask(p + 4)), 1);
  return {_mm256_or_si256(low.first, where(twice(high), mask, value)),
          _mm256_or_si256(low.second, where(twice(high + 16), mask, value))};
}

struct Q5_K : ScaledNibbles<tensor::Q5_K, 31> {
  static __m256i codes(const std::byte* row, std::size_t step) {
    const Block* const block = at(row, step);
    return _mm256_or_si256(low(block, step), where(load32(block->high), bit_mask(step), 16));
  }
  static Pair pair(const std::byte* row, std::size_t p) {
    const Block* const block = at(row, 0);
    return with_bits(low_pair(block, p), block->high, p, 16);
  }
  static constexpr std::size_t steps_at_once = 8;
  template <class Use>
  [[gnu::always_inline]] static void turn(const EightRows& rows, std::size_t step, Use use) {
    const EightRows block = rows.from(step / 8 * sizeof(Block));
    unroll<2>(HEARTH_UNROLL(half) {
      __m256i high[4];
      turn_pieces(block.from(offsetof(Block, high) + half * 16), high);
      unroll<4>(HEARTH_UNROLL(two) {
        turn_nibbles(
            block.from(offsetof(Block, codes) + two * 32 + half * 16), two * 16 + half * 4,
            two * 16 + 8 + half * 4, [&](int i, __m256i codes) __attribute__((always_inline)) {
              use(i, _mm256_or_si256(codes, where(high[i % 4], bit_mask(std::size_t(i) / 8), 16)));
            });
      });
    });
  }
};

struct Q6_K : Blocks256<tensor::Q6_K, 16, 32, 63, false> {
  static Scales<2> scales(const Block* block) {
    const __m256 scale = _mm256_set1_ps(Avx2::half_to_float(block->scale));
    return {{_mm256_mul_ps(Avx2::load_int8(block->scales), scale),
             _mm256_mul_ps(Avx2::load_int8(block->scales + 8), scale)},
            {}};
  }
  static __m256i codes(const std::byte* row, std::size_t step) {
    const Block* const block = at(row, step);
    const std::size_t half = step % 8 / 4, quarter = step % 4;
    return joined(load32(block->low + half * 64 + quarter % 2 * 32), load32(block->high + half * 32), quarter);
  }
  static __m256i joined(__m256i low, __m256i high, std::size_t quarter) {
    const __m256i nibbles = low_nibbles(shift_right(low, quarter / 2 * 4));
    const __m256i there = quarter < 2    ? _mm256_slli_epi16(high, static_cast<int>(4 - quarter * 2))
                          : quarter == 2 ? high
                                         : shift_right(high, 2);
    return _mm256_or_si256(nibbles, _mm256_and_si256(there, _mm256_set1_epi8(0x30)));
  }
  static Pair pair(const std::byte* row, std::size_t p) {
    const Block* const block = at(row, 0);
    const std::uint8_t *const low = block->low + p % 2 * 32, *const high = block->high;
    return {joined(both(low, low + 64), both(high, high + 32), p),
            joined(both(low + 16, low + 80), both(high + 16, high + 48), p)};
  }
  static void read_scales(const EightRows& block, float (*scales)[8], float (*)[8]) {
    __m256i bytes[4], last[4];
    turn_pieces(block.from(offsetof(Block, scales)), bytes);
    turn_pieces(block.from(sizeof(Block) - 16), last);
    const __m256 scale = low_halves(_mm256_srli_epi32(last[3], 16));
    unroll<16>(HEARTH_UNROLL(i) {
      const __m256i number = _mm256_srai_epi32(_mm256_slli_epi32(bytes[i / 4], 24 - i % 4 * 8), 24);
      _mm256_store_ps(scales[i], _mm256_mul_ps(_mm256_cvtepi32_ps(number), scale));
    });
  }
  static constexpr std::size_t steps_at_once = 4;
  template <class Use>
  [[gnu::always_inline]] static void turn(const EightRows& rows, std::size_t step, Use use) {
    const std::size_t half = step % 8 / 4;
    const EightRows block = rows.from(step / 8 * sizeof(Block)), low = block.from(half * 64);
    unroll<2>(HEARTH_UNROLL(sixteen) {
      __m256i nibbles[2][4], high[4];
      turn_pieces(low.from(sixteen * 16), nibbles[0]);
      turn_pieces(low.from(32 + sixteen * 16), nibbles[1]);
      turn_pieces(block.from(offsetof(Block, high) + half * 32 + sixteen * 16), high);
      unroll<4>(HEARTH_UNROLL(quarter) {
        unroll<4>(HEARTH_UNROLL(i) {
          use(quarter * 8 + sixteen * 4 + i, joined(nibbles[quarter % 2][i], high[i], quarter));
        });
      });
    });
  }
};

inline __m256i two_bits(__m256i codes, std::size_t quarter) {
  return _mm256_and_si256(shift_right(codes, quarter * 2), _mm256_set1_epi8(3));
}
inline __m256i two_bits(const std::uint8_t* codes, std::size_t step) {
  return two_bits(load32(codes + step % 8 / 4 * 32), step % 4);
}
// 64 bytes hold the codes of 128 columns, and of the others: 32 times 16 of each, as pairs have them.
inline Pair quarters(const std::uint8_t* codes) {
  return {both(codes, codes + 32), both(codes + 16, codes + 48)};
}

struct Q2_K : Blocks256<tensor::Q2_K, 16, 0, 3, true> {
  static Scales<2> scales(const Block* block) {
    const float scale = Avx2::half_to_float(block->scale), minimum = -Avx2::half_to_float(block->minimum);
    const __m128i both = load16(block->scales), four = _mm_set1_epi8(15);
    const __m128i low = _mm_and_si128(both, four), high = _mm_and_si128(_mm_srli_epi16(both, 4), four);
    return {{scaled(low, 0, scale), scaled(_mm_srli_si128(low, 8), 0, scale)},
            {scaled(high, 0, minimum), scaled(_mm_srli_si128(high, 8), 0, minimum)}};
  }
  static __m256i codes(const std::byte* row, std::size_t step) { return two_bits(at(row, step)->codes, step); }
  // Odd pairs stay where they are: four times their value. Sums of all others are brought to that.
  static constexpr int times = 4;
  static Pair pair(const std::byte* row, std::size_t p) {
    const Pair all = quarters(at(row, 0)->codes);
    const __m256i mask = _mm256_set1_epi8(p % 2 == 0 ? 0x03 : 0x0c);
    return {_mm256_and_si256(shift_right(all.first, p / 2 * 4), mask),
            _mm256_and_si256(shift_right(all.second, p / 2 * 4), mask)};
  }
  static WordScales words(const Block* block) {
    const __m256i both = _mm256_cvtepu8_epi16(load16(block->scales));
    const __m256 units = _mm256_mul_ps(_mm256_cvtph_ps(_mm_set1_epi32(static_cast<int>(load_word(&block->scale)))),
                                       _mm256_set1_ps(0.25f));
    return {_mm256_and_si256(both, _mm256_set1_epi16(15)), _mm256_srli_epi16(both, 4), _mm256_moveldup_ps(units),
            _mm256_movehdup_ps(units)};
  }
};

struct Q3_K : Blocks256<tensor::Q3_K, 16, 4, 7, false> {
  static Scales<2> scales(const Block* block) {
    constexpr std::uint32_t four = 0x0f0f0f0f, two = 0x30303030;
    const std::uint32_t a = load_word(block->scales), b = load_word(block->scales + 4);
    const std::uint32_t high = load_word(block->scales + 8);
    const __m128i six = _mm_setr_epi32(
        static_cast<int>((a & four) | (high << 4 & two)), static_cast<int>((b & four) | (high << 2 & two)),
        static_cast<int>((a >> 4 & four) | (high & two)), static_cast<int>((b >> 4 & four) | (high >> 2 & two)));
    const float scale = Avx2::half_to_float(block->scale);
    return {{scaled(six, 32, scale), scaled(_mm_srli_si128(six, 8), 32, scale)}, {}};
  }
  static __m256i codes(const std::byte* row, std::size_t step) {
    const Block* const block = at(row, step);
    return _mm256_or_si256(two_bits(block->codes, step), where(load32(block->high), bit_mask(step), 4));
  }
  static constexpr int times = 1;
  static Pair pair(const std::byte* row, std::size_t p) {
    const Block* const block = at(row, 0);
    const Pair low = quarters(block->codes);
    return {joined(low.first, twice(block->high), p), joined(low.second, twice(block->high + 16), p)};
  }
  // For each of 16 combinations of four bits: the first and third at 4 and 64, the second and fourth.
  alignas(16) static constexpr std::uint8_t spread_bits[2][16] = {
      {0, 4, 0, 4, 64, 68, 64, 68, 0, 4, 0, 4, 64, 68, 64, 68},
      {0, 0, 4, 4, 0, 0, 4, 4, 64, 64, 68, 68, 64, 64, 68, 68}};
  // Codes of pairs p and p + 2 share a byte as nibbles. Bits p and p + 2 of `high` are theirs, four further up in its
  // upper half.
  static __m256i joined(__m256i low, __m256i high, std::size_t p) {
    const __m256i bits = low_nibbles(_mm256_srlv_epi64(high, _mm256_setr_epi64x(0, 0, 4, 4)));
    const __m256i spread = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(load16(spread_bits[p % 2])), bits);
    const __m256i nibbles =
        _mm256_or_si256(_mm256_and_si256(shift_right(low, p % 2 * 2), _mm256_set1_epi8(0x33)), spread);
    return _mm256_and_si256(shift_right(nibbles, p / 2 * 4), _mm256_set1_epi8(7));
  }
  // Bytes 0 and 1 of each word: low bits at i % 8, high at 8 + i % 4.
  static WordScales words(const Block* block) {
    const __m256i packed = _mm256_broadcastsi128_si256(load16(block->codes + 62));  // two bytes before the scales
    const __m256i low = _mm256_shuffle_epi8(
        packed, _mm256_broadcastsi128_si256(_mm_setr_epi8(2, -1, 3, -1, 4, -1, 5, -1, 6, -1, 7, -1, 8, -1, 9, -1)));
    const __m256i high = _mm256_shuffle_epi8(
        packed,
        _mm256_broadcastsi128_si256(_mm_setr_epi8(-1, 10, -1, 11, -1, 12, -1, 13, -1, 10, -1, 11, -1, 12, -1, 13)));
    const __m256i four = low_nibbles(_mm256_srlv_epi64(low, _mm256_setr_epi64x(0, 0, 4, 4)));
    const __m256i two =
        _mm256_and_si256(_mm256_srlv_epi64(high, _mm256_setr_epi64x(4, 6, 8, 10)), _mm256_set1_epi16(0x30));
    return {_mm256_sub_epi16(_mm256_or_si256(four, two), _mm256_set1_epi16(32)), _mm256_setzero_si256(),
            _mm256_cvtph_ps(_mm_set1_epi16(static_cast<short>(block->scale))), _mm256_setzero_ps()};
  }
};

struct Iq4_xs : Blocks256<tensor::Iq4_xs, 32, 0, 127, false, true> {
  static Scales<1> scales(const Block* block) {
    const std::uint64_t low = _pdep_u64(load_word(block->scales_low), 0x0f0f0f0f0f0f0f0f);
    const std::uint64_t high = _pdep_u64(block->scales_high, 0x3030303030303030);
    return {{scaled(_mm_cvtsi64_si128(static_cast<long long>(low | high)), 32, Avx2::half_to_float(block->scale))}, {}};
  }
  static __m256i indices(const std::byte* row, std::size_t step) {
    return nibbles(at(row, step)->codes + step % 8 * 16);
  }
  static std::size_t codes_at(std::size_t step) {
    return step / 8 * sizeof(Block) + offsetof(Block, codes) + step % 8 * 16;
  }
  static __m256i codes(const std::byte* row, std::size_t step) { return iq4_table.look_up(indices(row, step)); }
  static Pair pair(const std::byte* row, std::size_t p) {
    const std::uint8_t* const codes = at(row, 0)->codes + p * 16;
    return iq4_table.look_up(nibbles(codes, codes + 64));
  }
};

// Formats of sixteen values, IQ4's.
template <class F>
concept LooksUp = requires(const std::byte* row) {
  F::indices(row, std::size_t{});
};
// They nearly, (code - iq4_six_bits_offset) * iq4_six_bits_step: of all such sixteen codes those that are off by least
// where weights are normal, 1.3% of their root mean square (the format itself: 8.5%), and by little at both ends, where
// each block's largest weight is.
constexpr Table16 iq4_six_bits{{3, 9, 14, 18, 22, 26, 29, 32, 35, 38, 41, 44, 48, 52, 57, 63}, 0};
constexpr float iq4_six_bits_step = 3.9872359f, iq4_six_bits_offset = 34.637483f;

// Whether a format has its own way to read eight rows side by side: a `turn` that calls use(i, codes) for columns 4 i
// to 4 i + 3, row r's in lane r. And how many steps of 32 columns it reads at once.
template <class F>
constexpr bool turns = requires(const EightRows& rows, void (*use)(int, __m256i)) {
  F::turn(rows, std::size_t{}, use);
};
template <class F>
constexpr std::size_t steps_at_once = 1;
template <class F>
requires requires {
  F::steps_at_once;
}
constexpr std::size_t steps_at_once<F> = F::steps_at_once;

// Likewise for scales.
template <class F>
constexpr bool reads_scales = requires(const EightRows& block, float (*out)[8]) {
  F::read_scales(block, out, out);
};

// Signed bytes, rounded to six bits so that the largest, which a block's scale comes from, stay what they are.
template <class F>
struct SixBits {
  static_assert(F::is_signed && !F::minimum);
  using Block = typename F::Block;
  static constexpr std::size_t group = F::group;
  static constexpr int most = 63;
  static constexpr float offset = LooksUp<F> ? iq4_six_bits_offset : 31.5f;
  static constexpr float step = LooksUp<F> ? iq4_six_bits_step : 512.0f / 127;
  static constexpr bool minimum = false, is_signed = false;
  static float scale(const Block& block) { return step * F::scale(block); }
  static auto scales(const Block* blocks) { return times(F::scales(blocks), step); }
  template <class Blocks>
  static Scales<1> scales_of(const Blocks& block) {
    return times(F::scales_of(block), step);
  }
  static __m256i codes(const std::byte* row, std::size_t at) {
    if constexpr (LooksUp<F>) return iq4_six_bits.look_up(F::indices(row, at));
    const __m256i low = _mm256_set1_epi16(255), inverse = _mm256_set1_epi16(127);  // of `step`, in 1/512
    const __m256i above =
        _mm256_add_epi8(_mm256_max_epi8(F::codes(row, at), _mm256_set1_epi8(-127)), _mm256_set1_epi8(127));
    const __m256i even = _mm256_slli_epi16(_mm256_and_si256(above, low), 6);
    const __m256i odd = _mm256_slli_epi16(_mm256_srli_epi16(above, 8), 6);
    return _mm256_or_si256(_mm256_mulhrs_epi16(even, inverse), _mm256_slli_epi16(_mm256_mulhrs_epi16(odd, inverse), 8));
  }
  template <class Use>
  [[gnu::always_inline]] static void turn(const EightRows& rows, std::size_t at, Use use) requires LooksUp<F> {
    turn_nibbles(
        rows.from(F::codes_at(at)), 0,
        4, [&](int i, __m256i indices) __attribute__((always_inline)) { use(i, iq4_six_bits.look_up(indices)); });
  }
};

// Codes of a few bits times eight.
template <class F>
struct Eightfold {
  using Block = typename F::Block;
  static constexpr std::size_t group = F::group;
  static constexpr int offset = F::offset * 8, most = F::most * 8;
  static constexpr bool minimum = false, is_signed = false;
  static auto scales(const Block* blocks) { return times(F::scales(blocks), 0.125f); }
  static __m256i codes(const std::byte* row, std::size_t at) { return _mm256_slli_epi16(F::codes(row, at), 3); }
};

// Float formats: eight weights, or the first `count` of them.
struct F32 {
  using Block = tensor::F32;
  static __m256 load(const std::byte* row, std::size_t i) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(row) + i);
  }
  static __m256 load_part(const std::byte* row, std::size_t i, std::size_t count) {
    return Avx2::load_part(reinterpret_cast<const float*>(row) + i, count);
  }
};
template <class F>
constexpr bool is_half = sizeof(typename F::Block) == 2;
inline __m128i load_words(const std::byte* p, std::size_t count) {
  std::uint16_t words[8] = {};
  __builtin_memcpy(words, p, count * 2);
  return load16(words);
}
struct F16 {
  using Block = tensor::F16;
  static __m256 load(const std::byte* row, std::size_t i) { return _mm256_cvtph_ps(load16(row + i * 2)); }
  static __m256 load_part(const std::byte* row, std::size_t i, std::size_t count) {
    return _mm256_cvtph_ps(load_words(row + i * 2, count));
  }
};
struct Bf16 {
  using Block = tensor::Bf16;
  static __m256 widen(__m128i v) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(v), 16)); }
  static __m256 load(const std::byte* row, std::size_t i) { return widen(load16(row + i * 2)); }
  static __m256 load_part(const std::byte* row, std::size_t i, std::size_t count) {
    return widen(load_words(row + i * 2, count));
  }
};

}  // namespace
}  // namespace hearth::kernels

#include "kernels/matmul/with_format.h"
