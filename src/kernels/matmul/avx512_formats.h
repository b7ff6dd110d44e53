// How AVX-512 reads each format: 64 codes at a time, in the order of the weights, as unsigned bytes; and, of sixteen
// rows side by side, the scales of each group of 16 or 32, with the minimum where there is one. weight = scale * (code
// - offset) + minimum. Where a `table` says what codes mean, `offset` and `most` are of the meaning.
#pragma once

#include "kernels/matmul/unroll.h"
#include "kernels/simd/avx512.h"
#include "kernels/simd/loads.h"
#include "tensor/formats/formats.h"

namespace hearth::kernels {
namespace {

inline __m512i load64(const void* p) {
  return _mm512_loadu_si512(p);
}
inline std::uint32_t load_word(const void* p) {
  std::uint32_t word;
  __builtin_memcpy(&word, p, sizeof word);
  return word;
}

// Four quarters of 16 bytes: a, a, b, b. Two halves of 32: a, a; a, b.
inline __m512i twice_each(const void* a, const void* b) {
  return _mm512_mask_broadcast_i32x4(_mm512_broadcast_i32x4(load16(a)), 0xff00, load16(b));
}
inline __m512i twice(const void* a) {
  return _mm512_broadcast_i64x4(load32(a));
}
inline __m512i join(__m256i a, __m256i b) {
  return _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
}

inline __m512i by_quarters(long long a, long long b, long long c, long long d) {
  return _mm512_setr_epi64(a, a, b, b, c, c, d, d);
}
inline __m512i by_halves(long long a, long long b) {
  return by_quarters(a, a, b, b);
}
inline __m512i low_nibbles(__m512i v) {
  return _mm512_and_si512(v, _mm512_set1_epi8(15));
}
inline __m512i nibbles_of_two(const void* a, const void* b) {
  return low_nibbles(_mm512_srlv_epi64(twice_each(a, b), by_quarters(0, 4, 0, 4)));
}
inline __m512i nibbles_of_one(const void* a) {
  return low_nibbles(
      _mm512_srlv_epi64(_mm512_zextsi256_si512(_mm256_broadcastsi128_si256(load16(a))), by_quarters(0, 4, 0, 0)));
}

// Sixteen rows of weights, or what is the same place in each.
struct SixteenRows {
  const std::byte* first;
  std::size_t apart;

  const std::byte* operator[](std::size_t row) const { return first + row * apart; }
  SixteenRows from(std::size_t byte) const { return {first + byte, apart}; }
};

// 16 bytes of each row, turned: lane r of out[i] is row r's word i.
[[gnu::always_inline]] inline void turn_pieces(const SixteenRows& rows, __m512i (&out)[4]) {
  __m512i of_four[4];  // rows k, k + 4, k + 8, k + 12
  const std::byte* at = rows.first;
  __asm__("" : "+r"(at));
  const std::size_t four = 4 * rows.apart, twelve = 3 * four;
  unroll<4>(HEARTH_UNROLL(k) {
    of_four[k] = _mm512_inserti32x4(_mm512_castsi128_si512(load16(at)), load16(at + four), 1);
    of_four[k] = _mm512_inserti32x4(of_four[k], load16(at + 2 * four), 2);
    of_four[k] = _mm512_inserti32x4(of_four[k], load16(at + twelve), 3);
    at += rows.apart;
    __asm__("" : "+r"(at));  // else sixteen addresses are kept, for which there is no room
  });
  const __m512i a = _mm512_unpacklo_epi32(of_four[0], of_four[1]), b = _mm512_unpackhi_epi32(of_four[0], of_four[1]);
  const __m512i c = _mm512_unpacklo_epi32(of_four[2], of_four[3]), d = _mm512_unpackhi_epi32(of_four[2], of_four[3]);
  out[0] = _mm512_unpacklo_epi64(a, c);
  out[1] = _mm512_unpackhi_epi64(a, c);
  out[2] = _mm512_unpacklo_epi64(b, d);
  out[3] = _mm512_unpackhi_epi64(b, d);
}
// Of the 16 bytes before this place in each row, the last word.
inline __m512i last_words(const SixteenRows& rows) {
  __m512i pieces[4];
  turn_pieces({rows.first - 16, rows.apart}, pieces);
  return pieces[3];
}
// Pieces whose low and high nibbles are codes, of columns that begin with these fours.
template <class Use>
[[gnu::always_inline]] inline void turn_nibbles(const SixteenRows& rows, std::size_t low, std::size_t high, Use use) {
  __m512i pieces[4];
  turn_pieces(rows, pieces);
  unroll<4>(HEARTH_UNROLL(i) {
    use(low + i, low_nibbles(pieces[i]));
    use(high + i, low_nibbles(_mm512_srli_epi32(pieces[i], 4)));
  });
}

inline __m512 halves_to_floats(__m512i words) {
  return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(words));
}

// Of sixteen rows, a group of columns after the other.
using Scales16 = float (*)[16];

// Whether the words that four blocks begin with lie in 64 bytes, at even distances, and four blocks have as many.
template <class Block>
constexpr bool heads_are_close = sizeof(Block) % 2 == 0 && 3 * sizeof(Block) + 4 <= 64 && 4 * sizeof(Block) >= 64;

// The words that four blocks of each row begin with: lane r of out[i] is row r's, of block i.
template <class Block>
[[gnu::always_inline]] inline void turn_heads(const SixteenRows& rows, __m512i (&out)[4]) {
  static_assert(heads_are_close<Block>);
  // Of two rows, to the first half of a vector's quarters.
  alignas(64) static constexpr auto places = [] {
    struct {
      std::uint16_t of[32];
    } p{};
    for (std::size_t i = 0; i < 32; ++i)
      p.of[i] = static_cast<std::uint16_t>(i / 8 * sizeof(Block) / 2 + i % 2 + i % 4 / 2 * 32);
    return p;
  }();
  const __m512i from = _mm512_load_si512(places.of);
  const auto two = [&](std::size_t row) __attribute__((always_inline)) {
    return _mm512_permutex2var_epi16(load64(rows[row]), from, load64(rows[row + 1]));
  };
  __m512i four[4];  // [blocks][rows 4 k to 4 k + 3]
  unroll<4>(HEARTH_UNROLL(k) { four[k] = _mm512_unpacklo_epi64(two(4 * k), two(4 * k + 2)); });
  const __m512i a = _mm512_shuffle_i32x4(four[0], four[1], 0x44), b = _mm512_shuffle_i32x4(four[0], four[1], 0xee);
  const __m512i c = _mm512_shuffle_i32x4(four[2], four[3], 0x44), d = _mm512_shuffle_i32x4(four[2], four[3], 0xee);
  out[0] = _mm512_shuffle_i32x4(a, c, 0x88);
  out[1] = _mm512_shuffle_i32x4(a, c, 0xdd);
  out[2] = _mm512_shuffle_i32x4(b, d, 0x88);
  out[3] = _mm512_shuffle_i32x4(b, d, 0xdd);
}

// Blocks of 32 with a scale before the codes.
template <class B, int Offset, int Most>
struct Blocks32 {
  using Block = B;
  static constexpr std::size_t group = 32;
  static constexpr int offset = Offset, most = Most;  // codes, or what they mean, are 0 to `most`
  static constexpr bool minimum = requires(B b) { b.minimum; };
  static const Block* at(const std::byte* row, std::size_t index) {
    return reinterpret_cast<const Block*>(row) + index;
  }
  // Of sixteen rows, whose blocks begin with these words.
  static __m512 scales_of(__m512i words) { return halves_to_floats(words); }
  static __m512 minimums_of(__m512i words) { return halves_to_floats(_mm512_srli_epi32(words, 16)); }
};

template <class B, int Offset, int Most = 15>
struct Nibbles : Blocks32<B, Offset, Most> {
  using Blocks32<B, Offset, Most>::at;
  static __m512i codes(const std::byte* row, std::size_t step) {
    return nibbles_of_two(at(row, 2 * step)->codes, at(row, 2 * step + 1)->codes);
  }
  static __m512i last_codes(const std::byte* row, std::size_t step) { return nibbles_of_one(at(row, 2 * step)->codes); }
  template <class Use>
  [[gnu::always_inline]] static void turn(const SixteenRows& rows, std::size_t step, bool whole, Use use) {
    const SixteenRows codes = rows.from(2 * step * sizeof(B) + offsetof(B, codes));
    turn_nibbles(codes, 0, 4, use);
    if (whole) turn_nibbles(codes.from(sizeof(B)), 8, 12, use);
  }
};
using Q4_0 = Nibbles<tensor::Q4_0, 8>;
using Q4_1 = Nibbles<tensor::Q4_1, 0>;

template <class B, int Offset>
struct FiveBits : Blocks32<B, Offset, 31> {
  using Blocks32<B, Offset, 31>::at;
  static __m512i add_high(__m512i codes, __mmask64 bits) {
    return _mm512_mask_add_epi8(codes, bits, codes, _mm512_set1_epi8(16));
  }
  static __m512i codes(const std::byte* row, std::size_t step) {
    const B *const a = at(row, 2 * step), *const b = at(row, 2 * step + 1);
    return add_high(nibbles_of_two(a->codes, b->codes),
                    load_word(a->high) | static_cast<std::uint64_t>(load_word(b->high)) << 32);
  }
  static __m512i last_codes(const std::byte* row, std::size_t step) {
    const B* const a = at(row, 2 * step);
    return add_high(nibbles_of_one(a->codes), load_word(a->high));
  }
};
using Q5_0 = FiveBits<tensor::Q5_0, 16>;
using Q5_1 = FiveBits<tensor::Q5_1, 0>;

struct Q8_0 : Blocks32<tensor::Q8_0, 128, 255> {
  static __m512i unsign(__m512i codes) { return _mm512_xor_si512(codes, _mm512_set1_epi8(-128)); }
  static __m512i codes(const std::byte* row, std::size_t step) {
    return unsign(join(load32(at(row, 2 * step)->codes), load32(at(row, 2 * step + 1)->codes)));
  }
  static __m512i last_codes(const std::byte* row, std::size_t step) {
    return unsign(_mm512_zextsi256_si512(load32(at(row, 2 * step)->codes)));
  }
  template <class Use>
  [[gnu::always_inline]] static void turn(const SixteenRows& rows, std::size_t step, bool whole, Use use) {
    const SixteenRows codes = rows.from(2 * step * sizeof(Block) + offsetof(Block, codes));
    unroll<4>(HEARTH_UNROLL(i) {
      if (i >= 2 && !whole) return;
      __m512i pieces[4];
      turn_pieces(codes.from(i / 2 * sizeof(Block) + i % 2 * 16), pieces);
      unroll<4>(HEARTH_UNROLL(k) { use(4 * i + k, unsign(pieces[k])); });
    });
  }
};

// Codes that a format's `table` gives meaning: what follows is said of what they mean.
struct Table16 {
  alignas(16) std::uint8_t values[16];
  constexpr Table16(const std::int8_t (&signed_values)[16], int offset) : values() {
    for (int i = 0; i < 16; ++i) values[i] = static_cast<std::uint8_t>(signed_values[i] + offset);
  }
  __m512i look_up(__m512i codes) const { return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(load16(values)), codes); }
};

struct Iq4_nl : Nibbles<tensor::Iq4_nl, 128, 255> {
  static constexpr Table16 table{tensor::iq4_values, 128};
};

struct Mxfp4 : Nibbles<tensor::Mxfp4, 12, 24> {
  static constexpr Table16 table{tensor::mxfp4_doubled, 12};
  static __m512 scales_of(__m512i words) {
    const __m512i exponents = _mm512_sub_epi32(_mm512_and_si512(words, _mm512_set1_epi32(255)), _mm512_set1_epi32(128));
    return _mm512_scalef_ps(_mm512_set1_ps(1), _mm512_cvtepi32_ps(exponents));
  }
};

// Blocks of 256: four steps each.
template <class B, std::size_t Group, int Offset, int Most, bool Minimum>
struct Blocks256 {
  using Block = B;
  static constexpr std::size_t group = Group;
  static constexpr int offset = Offset, most = Most;
  static constexpr bool minimum = Minimum;
  static const Block* at(const std::byte* row, std::size_t step) {
    return reinterpret_cast<const Block*>(row) + step / 4;
  }
};

// Byte i of each word, times a number of its lane's.
template <int i>
__m512 byte_times(__m512i words, __m512 by) {
  const __m512i byte = _mm512_and_si512(_mm512_srli_epi32(words, 8 * i), _mm512_set1_epi32(255));
  return _mm512_mul_ps(_mm512_cvtepi32_ps(byte), by);
}
inline __m512i six_bits(__m512i low, __m512i high) {  // of bytes: four, and two that stand above them
  return _mm512_or_si512(low_nibbles(low), _mm512_and_si512(high, _mm512_set1_epi8(0x30)));
}
inline __m512 negative(__m512 v) {
  return _mm512_xor_ps(v, _mm512_set1_ps(-0.0f));
}

template <class B, int Most>
struct ScaledNibbles : Blocks256<B, 32, 0, Most, true> {
  static void read_scales(const SixteenRows& block, Scales16 scales, Scales16 minimums) {
    __m512i head[4];  // scale and minimum; tensor::PackedScales
    turn_pieces(block, head);
    const __m512 scale = halves_to_floats(head[0]), minimum = halves_to_floats(_mm512_srli_epi32(head[0], 16));
    const __m512i low_six = _mm512_set1_epi8(0x3f);
    const __m512i of_scales[2] = {_mm512_and_si512(head[1], low_six), six_bits(head[3], _mm512_srli_epi32(head[1], 2))};
    const __m512i of_minimums[2] = {_mm512_and_si512(head[2], low_six),
                                    six_bits(_mm512_srli_epi32(head[3], 4), _mm512_srli_epi32(head[2], 2))};
    unroll<8>(HEARTH_UNROLL(i) {
      _mm512_store_ps(scales[i], byte_times<i % 4>(of_scales[i / 4], scale));
      _mm512_store_ps(minimums[i], byte_times<i % 4>(of_minimums[i / 4], negative(minimum)));
    });
  }
};

struct Q4_K : ScaledNibbles<tensor::Q4_K, 15> {
  static __m512i codes(const std::byte* row, std::size_t step) {
    return low_nibbles(_mm512_srlv_epi64(twice(at(row, step)->codes + step % 4 * 32), by_halves(0, 4)));
  }
  template <class Use>
  [[gnu::always_inline]] static void turn(const SixteenRows& rows, std::size_t step, bool, Use use) {
    const SixteenRows codes = rows.from(step / 4 * sizeof(Block) + offsetof(Block, codes) + step % 4 * 32);
    unroll<2>(HEARTH_UNROLL(i) { turn_nibbles(codes.from(i * 16), 4 * i, 4 * i + 8, use); });
  }
};

inline __m512i bit_of_halves(std::size_t step) {  // bit 2 s in the first 32 bytes, 2 s + 1 in the others
  const int bit = 1 << step % 4 * 2;
  return join(_mm256_set1_epi8(static_cast<char>(bit)), _mm256_set1_epi8(static_cast<char>(2 * bit)));
}

struct Q5_K : ScaledNibbles<tensor::Q5_K, 31> {
  static __m512i codes(const std::byte* row, std::size_t step) {
    const Block* const block = at(row, step);
    const __m512i low = low_nibbles(_mm512_srlv_epi64(twice(block->codes + step % 4 * 32), by_halves(0, 4)));
    const __mmask64 high = _mm512_test_epi8_mask(twice(block->high), bit_of_halves(step));
    return _mm512_mask_add_epi8(low, high, low, _mm512_set1_epi8(16));
  }
};

struct Q6_K : Blocks256<tensor::Q6_K, 16, 32, 63, false> {
  static void read_scales(const SixteenRows& block, Scales16 scales, Scales16) {
    __m512i bytes[4];
    turn_pieces(block.from(offsetof(Block, scales)), bytes);
    const __m512 scale = halves_to_floats(_mm512_srli_epi32(last_words(block.from(sizeof(Block))), 16));
    unroll<16>(HEARTH_UNROLL(i) {
      const __m512i number = _mm512_srai_epi32(_mm512_slli_epi32(bytes[i / 4], 24 - i % 4 * 8), 24);
      _mm512_store_ps(scales[i], _mm512_mul_ps(_mm512_cvtepi32_ps(number), scale));
    });
  }
  static __m512i codes(const std::byte* row, std::size_t step) {
    const Block* const block = at(row, step);
    const std::size_t half = step % 4 / 2;
    const __m512i low = load64(block->low + half * 64), high = twice(block->high + half * 32);
    const __m512i high_bits =
        step % 2 == 0 ? _mm512_sllv_epi64(high, by_halves(4, 2)) : _mm512_srlv_epi64(high, by_halves(0, 2));
    return _mm512_or_si512(low_nibbles(step % 2 == 0 ? low : _mm512_srli_epi64(low, 4)),
                           _mm512_and_si512(high_bits, _mm512_set1_epi8(0x30)));
  }
};

inline __m512i two_bits(const std::uint8_t* codes, std::size_t step) {
  const long long shift = static_cast<long long>(step % 2 * 4);
  return _mm512_and_si512(_mm512_srlv_epi64(twice(codes + step % 4 / 2 * 32), by_halves(shift, shift + 2)),
                          _mm512_set1_epi8(3));
}

struct Q2_K : Blocks256<tensor::Q2_K, 16, 0, 3, true> {
  static void read_scales(const SixteenRows& block, Scales16 scales, Scales16 minimums) {
    __m512i both[4];
    turn_pieces(block, both);
    const __m512i halves = last_words(block.from(sizeof(Block)));
    const __m512 scale = halves_to_floats(halves), minimum = halves_to_floats(_mm512_srli_epi32(halves, 16));
    unroll<16>(HEARTH_UNROLL(i) {
      const __m512i of_scale = low_nibbles(both[i / 4]), of_minimum = low_nibbles(_mm512_srli_epi32(both[i / 4], 4));
      _mm512_store_ps(scales[i], byte_times<i % 4>(of_scale, scale));
      _mm512_store_ps(minimums[i], byte_times<i % 4>(of_minimum, negative(minimum)));
    });
  }
  static __m512i codes(const std::byte* row, std::size_t step) { return two_bits(at(row, step)->codes, step); }
};

struct Q3_K : Blocks256<tensor::Q3_K, 16, 4, 7, false> {
  static void read_scales(const SixteenRows& block, Scales16 scales, Scales16) {
    __m512i last[4];  // two bytes of codes, twelve of scales, their scale
    turn_pieces(block.from(sizeof(Block) - 16), last);
    const __m512 scale = halves_to_floats(_mm512_srli_epi32(last[3], 16));
    __m512i bytes[3];
    unroll<3>(HEARTH_UNROLL(i) {
      bytes[i] = _mm512_or_si512(_mm512_srli_epi32(last[i], 16), _mm512_slli_epi32(last[i + 1], 16));
    });
    unroll<16>(HEARTH_UNROLL(i) {
      constexpr int word = i / 4;
      const __m512i low = word < 2 ? bytes[word] : _mm512_srli_epi32(bytes[word - 2], 4);
      const __m512i high =
          word < 2 ? _mm512_slli_epi32(bytes[2], 4 - 2 * word) : _mm512_srli_epi32(bytes[2], 2 * word - 4);
      const __m512i byte =
          _mm512_and_si512(_mm512_srli_epi32(six_bits(low, high), 8 * (i % 4)), _mm512_set1_epi32(255));
      const __m512i number = _mm512_sub_epi32(byte, _mm512_set1_epi32(32));
      _mm512_store_ps(scales[i], _mm512_mul_ps(_mm512_cvtepi32_ps(number), scale));
    });
  }
  static __m512i codes(const std::byte* row, std::size_t step) {
    const Block* const block = at(row, step);
    const __m512i low = two_bits(block->codes, step);
    const __mmask64 high = _mm512_test_epi8_mask(twice(block->high), bit_of_halves(step));
    return _mm512_mask_add_epi8(low, high, low, _mm512_set1_epi8(4));
  }
};

struct Iq4_xs : Blocks256<tensor::Iq4_xs, 32, 128, 255, false> {
  static constexpr Table16 table = Iq4_nl::table;
  static void read_scales(const SixteenRows& block, Scales16 scales, Scales16) {
    __m512i head[4];  // the scale, and two bits of each group's; four bits of each
    turn_pieces(block, head);
    const __m512 scale = halves_to_floats(head[0]);
    unroll<8>(HEARTH_UNROLL(i) {
      const __m512i low = _mm512_and_si512(_mm512_srli_epi32(head[1], 4 * i), _mm512_set1_epi32(15));
      const __m512i high = _mm512_and_si512(_mm512_srli_epi32(head[0], 16 + 2 * i), _mm512_set1_epi32(3));
      const __m512i six = _mm512_or_si512(low, _mm512_slli_epi32(high, 4));
      const __m512i number = _mm512_sub_epi32(six, _mm512_set1_epi32(32));
      _mm512_store_ps(scales[i], _mm512_mul_ps(_mm512_cvtepi32_ps(number), scale));
    });
  }
  static __m512i codes(const std::byte* row, std::size_t step) {
    const std::uint8_t* const codes = at(row, step)->codes + step % 4 * 32;
    return nibbles_of_two(codes, codes + 16);
  }
  template <class Use>
  [[gnu::always_inline]] static void turn(const SixteenRows& rows, std::size_t step, bool, Use use) {
    const SixteenRows codes = rows.from(step / 4 * sizeof(Block) + offsetof(Block, codes) + step % 4 * 32);
    unroll<2>(HEARTH_UNROLL(i) { turn_nibbles(codes.from(i * 16), 8 * i, 8 * i + 4, use); });
  }
};

template <class F>
constexpr bool has_table = requires {
  F::table;
};
// Whether it has its own way to read sixteen rows, side by side: a `turn` that calls use(i, codes) for 64 columns, or
// the last 32. Lane r is row r's codes of columns 4 i to 4 i + 3.
template <class F>
constexpr bool turns = requires(const SixteenRows& rows, void (*use)(std::size_t, __m512i)) {
  F::turn(rows, std::size_t{}, true, use);
};

// 64 codes, or the last 32 of a row whose blocks are that short. As they stand:
template <class F>
__m512i bare_codes_at(const std::byte* row, std::size_t step, bool whole) {
  if constexpr (F::Block::weights < 64)
    return whole ? F::codes(row, step) : F::last_codes(row, step);
  else
    return F::codes(row, step);
}
// And as what a table, if there is one, says they mean.
template <class F>
__m512i codes_at(const std::byte* row, std::size_t step, bool whole) {
  if constexpr (has_table<F>)
    return F::table.look_up(bare_codes_at<F>(row, step, whole));
  else
    return bare_codes_at<F>(row, step, whole);
}

// Float formats: sixteen weights, or the first `count` of them.
struct F32 {
  using Block = float;
  static __m512 load(const std::byte* row, std::size_t i) { return _mm512_loadu_ps(row + i * 4); }
  static __m512 load_part(const std::byte* row, std::size_t i, std::size_t count) {
    return _mm512_maskz_loadu_ps(Avx512::first(count), row + i * 4);
  }
};
struct F16 {
  using Block = std::uint16_t;
  static __m512 load(const std::byte* row, std::size_t i) { return _mm512_cvtph_ps(load32(row + i * 2)); }
  static __m512 load_part(const std::byte* row, std::size_t i, std::size_t count) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(Avx512::first(count), row + i * 2));
  }
};
struct Bf16 {
  using Block = std::uint16_t;
  static __m512 widen(__m256i v) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16)); }
  static __m512 load(const std::byte* row, std::size_t i) { return widen(load32(row + i * 2)); }
  static __m512 load_part(const std::byte* row, std::size_t i, std::size_t count) {
    return widen(_mm256_maskz_loadu_epi16(Avx512::first(count), row + i * 2));
  }
};

}  // namespace
}  // namespace hearth::kernels

#include "kernels/matmul/with_format.h"
