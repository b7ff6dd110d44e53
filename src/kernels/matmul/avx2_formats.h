// How AVX2 reads each format: 32 codes at a time, in the order of the weights, as bytes, unsigned where they have six
// bits or less; and the scales of each group of 16 or 32, with the minimum where there is one.
// weight = scale * (code - offset) + minimum.
#pragma once

#include "kernels/matmul/avx2.h"
#include "kernels/matmul/block_scales.h"
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
  return _mm256_srl_epi16(v, _mm_cvtsi32_si128(static_cast<int>(count)));
}
// `value` in the bytes where `bits` has a bit of `mask`.
inline __m256i where(__m256i bits, __m256i mask, int value) {
  return _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(bits, mask), mask),
                          _mm256_set1_epi8(static_cast<char>(value)));
}

// Blocks of 32: one a step, a scale before the codes.
template <class B, int Offset, int Most, bool Signed = false>
struct Blocks32 {
  using Block = B;
  static constexpr std::size_t group = 32;
  static constexpr int offset = Offset, most = Most;  // codes are 0 to `most`; if signed, in magnitude
  static constexpr bool minimum = requires(B b) { b.minimum; };
  static constexpr bool is_signed = Signed;
  static const Block* at(const std::byte* row, std::size_t step) { return reinterpret_cast<const Block*>(row) + step; }
  static void expand(const Block* blocks, std::size_t count, float* scales, float* minimums) {
    read_scales(blocks, count, scales, minimums);
  }
};

template <class B, int Offset>
struct Nibbles : Blocks32<B, Offset, 15> {
  static __m256i codes(const std::byte* row, std::size_t step) {
    return nibbles(Blocks32<B, Offset, 15>::at(row, step)->codes);
  }
};
using Q4_0 = Nibbles<tensor::Q4_0, 8>;
using Q4_1 = Nibbles<tensor::Q4_1, 0>;

template <class B, int Offset>
struct FiveBits : Blocks32<B, Offset, 31> {
  static __m256i codes(const std::byte* row, std::size_t step) {
    const B* const block = Blocks32<B, Offset, 31>::at(row, step);
    const __m256i word = _mm256_set1_epi32(static_cast<int>(load_word(block->high)));
    const __m256i bits =
        _mm256_shuffle_epi8(word, _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303));
    const __m256i mask = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201));
    return _mm256_or_si256(nibbles(block->codes), where(bits, mask, 16));
  }
};
using Q5_0 = FiveBits<tensor::Q5_0, 16>;
using Q5_1 = FiveBits<tensor::Q5_1, 0>;

struct Q8_0 : Blocks32<tensor::Q8_0, 0, 128, true> {
  static __m256i codes(const std::byte* row, std::size_t step) { return load32(at(row, step)->codes); }
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
};
constexpr Table16 iq4_table{tensor::iq4_values, 0};
constexpr Table16 mxfp4_table{tensor::mxfp4_doubled, 12};

struct Iq4_nl : Blocks32<tensor::Iq4_nl, 0, 127, true> {
  static __m256i codes(const std::byte* row, std::size_t step) {
    return iq4_table.look_up(nibbles(at(row, step)->codes));
  }
};

struct Mxfp4 {
  using Block = tensor::Mxfp4;
  static constexpr std::size_t group = 32;
  static constexpr int offset = 12, most = 24;
  static constexpr bool minimum = false, is_signed = false;
  static void expand(const Block* blocks, std::size_t count, float* scales, float*) {
    for (std::size_t i = 0; i < count; ++i) scales[i] = tensor::half_scale(blocks[i]);
  }
  static __m256i codes(const std::byte* row, std::size_t step) {
    return mxfp4_table.look_up(nibbles((reinterpret_cast<const Block*>(row) + step)->codes));
  }
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
inline void expand_bytes(__m128i bytes, int offset, float scale, float* out) {
  const __m256i values = _mm256_sub_epi32(_mm256_cvtepu8_epi32(bytes), _mm256_set1_epi32(offset));
  _mm256_storeu_ps(out, _mm256_mul_ps(_mm256_cvtepi32_ps(values), _mm256_set1_ps(scale)));
}

template <class B, int Most>
struct ScaledNibbles : Blocks256<B, 32, 0, Most, true> {
  static void expand(const B* blocks, std::size_t count, float* scales, float* minimums) {
    constexpr std::uint32_t six = 0x3f3f3f3f, four = 0x0f0f0f0f, two = 0x30303030;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint8_t* const s = blocks[i].scales.bytes;
      const std::uint32_t a = load_word(s), b = load_word(s + 4), c = load_word(s + 8);
      const __m128i both =
          _mm_setr_epi32(static_cast<int>(a & six), static_cast<int>((c & four) | (a >> 2 & two)),
                         static_cast<int>(b & six), static_cast<int>((c >> 4 & four) | (b >> 2 & two)));
      expand_bytes(both, 0, Avx2::half_to_float(blocks[i].scale), scales + 8 * i);
      expand_bytes(_mm_srli_si128(both, 8), 0, -Avx2::half_to_float(blocks[i].minimum), minimums + 8 * i);
    }
  }
  static __m256i low(const B* block, std::size_t step) {
    return low_nibbles(shift_right(load32(block->codes + step % 8 / 2 * 32), step % 2 * 4));
  }
};

struct Q4_K : ScaledNibbles<tensor::Q4_K, 15> {
  static __m256i codes(const std::byte* row, std::size_t step) { return low(at(row, step), step); }
};

inline __m256i bit_mask(std::size_t step) {
  return _mm256_set1_epi8(static_cast<char>(1 << step % 8));
}

struct Q5_K : ScaledNibbles<tensor::Q5_K, 31> {
  static __m256i codes(const std::byte* row, std::size_t step) {
    const Block* const block = at(row, step);
    return _mm256_or_si256(low(block, step), where(load32(block->high), bit_mask(step), 16));
  }
};

struct Q6_K : Blocks256<tensor::Q6_K, 16, 32, 63, false> {
  static void expand(const Block* blocks, std::size_t count, float* scales, float*) {
    for (std::size_t i = 0; i < count; ++i) {
      const __m256 scale = _mm256_set1_ps(Avx2::half_to_float(blocks[i].scale));
      for (std::size_t half = 0; half < 16; half += 8)
        _mm256_storeu_ps(scales + 16 * i + half, _mm256_mul_ps(Avx2::load_int8(blocks[i].scales + half), scale));
    }
  }
  static __m256i codes(const std::byte* row, std::size_t step) {
    const Block* const block = at(row, step);
    const std::size_t half = step % 8 / 4, quarter = step % 4;
    const __m256i low = shift_right(load32(block->low + half * 64 + quarter % 2 * 32), quarter / 2 * 4);
    const __m256i high = shift_right(load32(block->high + half * 32), quarter * 2);
    return _mm256_or_si256(low_nibbles(low), _mm256_slli_epi16(_mm256_and_si256(high, _mm256_set1_epi8(3)), 4));
  }
};

inline __m256i two_bits(const std::uint8_t* codes, std::size_t step) {
  return _mm256_and_si256(shift_right(load32(codes + step % 8 / 4 * 32), step % 4 * 2), _mm256_set1_epi8(3));
}

struct Q2_K : Blocks256<tensor::Q2_K, 16, 0, 3, true> {
  static void expand(const Block* blocks, std::size_t count, float* scales, float* minimums) {
    for (std::size_t i = 0; i < count; ++i) {
      const float scale = Avx2::half_to_float(blocks[i].scale), minimum = -Avx2::half_to_float(blocks[i].minimum);
      const __m128i both = load16(blocks[i].scales), four = _mm_set1_epi8(15);
      const __m128i low = _mm_and_si128(both, four), high = _mm_and_si128(_mm_srli_epi16(both, 4), four);
      expand_bytes(low, 0, scale, scales + 16 * i);
      expand_bytes(_mm_srli_si128(low, 8), 0, scale, scales + 16 * i + 8);
      expand_bytes(high, 0, minimum, minimums + 16 * i);
      expand_bytes(_mm_srli_si128(high, 8), 0, minimum, minimums + 16 * i + 8);
    }
  }
  static __m256i codes(const std::byte* row, std::size_t step) { return two_bits(at(row, step)->codes, step); }
};

struct Q3_K : Blocks256<tensor::Q3_K, 16, 4, 7, false> {
  static void expand(const Block* blocks, std::size_t count, float* scales, float*) {
    constexpr std::uint32_t four = 0x0f0f0f0f, two = 0x30303030;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint8_t* const s = blocks[i].scales;
      const std::uint32_t a = load_word(s), b = load_word(s + 4), high = load_word(s + 8);
      const __m128i six = _mm_setr_epi32(
          static_cast<int>((a & four) | (high << 4 & two)), static_cast<int>((b & four) | (high << 2 & two)),
          static_cast<int>((a >> 4 & four) | (high & two)), static_cast<int>((b >> 4 & four) | (high >> 2 & two)));
      const float scale = Avx2::half_to_float(blocks[i].scale);
      expand_bytes(six, 32, scale, scales + 16 * i);
      expand_bytes(_mm_srli_si128(six, 8), 32, scale, scales + 16 * i + 8);
    }
  }
  static __m256i codes(const std::byte* row, std::size_t step) {
    const Block* const block = at(row, step);
    return _mm256_or_si256(two_bits(block->codes, step), where(load32(block->high), bit_mask(step), 4));
  }
};

struct Iq4_xs : Blocks256<tensor::Iq4_xs, 32, 0, 127, false, true> {
  static void expand(const Block* blocks, std::size_t count, float* scales, float*) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t low = _pdep_u64(load_word(blocks[i].scales_low), 0x0f0f0f0f0f0f0f0f);
      const std::uint64_t high = _pdep_u64(blocks[i].scales_high, 0x3030303030303030);
      expand_bytes(_mm_cvtsi64_si128(static_cast<long long>(low | high)), 32, Avx2::half_to_float(blocks[i].scale),
                   scales + 8 * i);
    }
  }
  static __m256i codes(const std::byte* row, std::size_t step) {
    return iq4_table.look_up(nibbles(at(row, step)->codes + step % 8 * 16));
  }
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
