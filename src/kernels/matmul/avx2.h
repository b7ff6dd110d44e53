// What AVX2 adds to its vector of floats for matrix products: dot products of bytes, and how activations are packed.
#pragma once

#include "kernels/matmul/int8_rows.h"
#include "kernels/matmul/outliers.h"
#include "kernels/matmul_kernels.h"
#include "kernels/simd/avx2.h"

namespace hearth::kernels {
namespace {

inline __m128i load16(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}
inline __m256i load32(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

struct Avx2Product : Avx2 {
  using Bytes = __m256i;
  static constexpr std::size_t bytes = 32;

  // How the scales of a group of 256 columns are read, with so many tokens.
  template <class F, int tokens>
  static auto scales(const typename F::Block* blocks) {
    return F::scales(blocks);
  }

  // Products of 32 codes with as many values, four to a lane. vpmaddubsw adds two of them in 16 bits and saturates:
  // 2 * 63 * 127 fits for codes of up to six bits; signed bytes lend their sign to the values: 2 * 128 * 127 fits too.
  template <class F>
  static __m256i dot_words(Bytes codes, const std::int8_t* x) {
    if constexpr (F::is_signed) return _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(load32(x), codes));
    static_assert(F::is_signed || F::most <= 63);
    return _mm256_maddubs_epi16(codes, load32(x));
  }
  template <class F>
  static Bytes dot(Bytes codes, const std::int8_t* x) {
    return _mm256_madd_epi16(dot_words<F>(codes, x), _mm256_set1_epi16(1));
  }
  // The sum of that and of what follows, 32 columns on.
  template <class F>
  static Bytes dot(Bytes first, Bytes second, const std::int8_t* x) {
    if constexpr (4 * 127 * F::most <= 32767)
      return _mm256_madd_epi16(_mm256_add_epi16(dot_words<F>(first, x), dot_words<F>(second, x + 32)),
                               _mm256_set1_epi16(1));
    return _mm256_add_epi32(dot<F>(first, x), dot<F>(second, x + 32));
  }
  // `times` the sums of neighbours, of `a` in the lower half of each 128 bits, of `b` in the upper. `most` is the
  // largest magnitude of a sum.
  template <int most, int times = 1>
  static Bytes join(Bytes a, Bytes b) {
    static_assert(most <= 32767 || times == 1);
    if constexpr (most <= 32767) return _mm256_madd_epi16(_mm256_packs_epi32(a, b), _mm256_set1_epi16(times));
    const __m256 x = _mm256_castsi256_ps(a), y = _mm256_castsi256_ps(b);
    return _mm256_add_epi32(_mm256_castps_si256(_mm256_shuffle_ps(x, y, 0x88)),
                            _mm256_castps_si256(_mm256_shuffle_ps(x, y, 0xdd)));
  }
};

// Activations for products with many tokens, four tokens side by side, so that one pointer serves a tile. Bytes: for
// each 32 columns the values, scale * code, and what Int8Rows has besides.
struct ByteQuads {
  static constexpr Form form = Form::int8_quads;
  static constexpr bool mixed = false;
  struct Group {
    std::int8_t values[8][4][4];  // [step][token][column]
    float scales[4];
    union {
      float sums32[4];
      std::int32_t offsets[4];  // in MixedQuads: two words, of the first 16 columns and the others, -offset_in_words each
    };
    float sums16[2][4];
  };
  Group* base;
  std::size_t record;  // groups between one four and the next

  ByteQuads(const std::byte* packed, std::size_t columns)
      : base(reinterpret_cast<Group*>(const_cast<std::byte*>(packed))), record(columns / 32 | 1) {}
  Group* groups(std::size_t token) const { return base + token / 4 * record; }
  std::size_t bytes(std::size_t tokens) const { return (tokens + 3) / 4 * record * sizeof(Group); }
};

// Bytes likewise, in steps of two columns of the first 16 and two of the others: each word of a product then has one
// scale, though groups be of 16, and holds the whole sum of those. Codes that stand for 32 less are brought to that by
// one addition there.
constexpr int offset_in_words = 32;
struct MixedQuads : ByteQuads {
  static constexpr Form form = Form::mixed_quads;
  static constexpr bool mixed = true;
  using ByteQuads::ByteQuads;
};
inline __m256i mix_halves(__m256i bytes) {
  const __m128i order = _mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15);
  return _mm256_shuffle_epi8(_mm256_permute4x64_epi64(bytes, 0xd8), _mm256_broadcastsi128_si256(order));
}

// Bytes likewise, without outliers, which the sums count all the same.
struct FineQuads : ByteQuads {
  static constexpr Form form = Form::fine_quads;
  static constexpr std::size_t chunk = 1024, most = chunk / far_share;  // values that a token keeps
  struct Far {
    std::uint16_t column, token;  // from the first of the chunk, of the four
    float value;
  };
  struct List {
    std::size_t count;
    Far far[most * 4];
  };
  std::size_t groups_of_bytes;

  FineQuads(const std::byte* packed, std::size_t columns) : ByteQuads(packed, columns), groups_of_bytes(columns / 32) {
    const std::size_t bytes = round_up(columns, chunk) / chunk * sizeof(List);
    record = (groups_of_bytes + round_up(bytes, sizeof(Group)) / sizeof(Group)) | 1;
  }
  List& list(std::size_t token, std::size_t column) const {
    return reinterpret_cast<List*>(groups(token) + groups_of_bytes)[column / chunk];
  }
};

// Words, for products with weights that fill more than a byte: values of up to 2047 in magnitude, with a scale for each
// 256 columns.
struct WordQuads {
  static constexpr std::size_t step = 16;  // columns are a multiple of
  std::byte* base;
  std::size_t scales_at, record;

  WordQuads(const std::byte* packed, std::size_t columns) : base(const_cast<std::byte*>(packed)) {
    const std::size_t padded = round_up(columns, group_columns);
    scales_at = padded * sizeof(std::int16_t[4]);
    record = round_up(scales_at + padded / group_columns * sizeof(float[4]), 64);
    if (record % 128 == 0) record += 64;  // fours should not meet in the same sets of a cache
  }
  std::int16_t (*values(std::size_t token) const)[4][2] {  // [columns / 2][token][column]
    return reinterpret_cast<std::int16_t(*)[4][2]>(base + token / 4 * record);
  }
  float (*scales(std::size_t token) const)[4] {
    return reinterpret_cast<float(*)[4]>(base + token / 4 * record + scales_at);
  }
  std::size_t bytes(std::size_t tokens) const { return (tokens + 3) / 4 * record; }
};

// The scale that brings `count` numbers, a multiple of 8, into [-most, most]; and its inverse. Magnitudes are ordered
// as integers are, NaN above all: it comes to be the scale.
struct Scale {
  float scale, inverse;
  Scale(const float* x, std::size_t count, float most) {
    const __m256i magnitude_bits = _mm256_set1_epi32(0x7fffffff);
    __m256i largest = _mm256_setzero_si256();
    for (std::size_t i = 0; i < count; i += 8)
      largest = _mm256_max_epi32(largest, _mm256_and_si256(load32(x + i), magnitude_bits));
    __m128i four = _mm_max_epi32(_mm256_castsi256_si128(largest), _mm256_extracti128_si256(largest, 1));
    four = _mm_max_epi32(four, _mm_unpackhi_epi64(four, four));
    four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 1));
    const float magnitude = _mm_cvtss_f32(_mm_castsi128_ps(four));
    const bool zero = magnitude <= 1e-30f;
    scale = zero ? 0 : magnitude / most;
    inverse = zero ? 0 : most / magnitude;
  }
};

// Sixteen numbers, rounded; in the order 0 to 3, 8 to 11, 4 to 7, 12 to 15.
inline __m256i round_words(__m256 low, __m256 high, __m256 inverse) {
  return _mm256_packs_epi32(_mm256_cvtps_epi32(_mm256_mul_ps(low, inverse)),
                            _mm256_cvtps_epi32(_mm256_mul_ps(high, inverse)));
}
inline __m256i round_words(const float* x, __m256 inverse) {
  return round_words(_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8), inverse);
}

// Where 32 columns of activations lie: 16, and the others so many bytes on. Two times 32 share vectors: in each whole
// group of 256 what is 128 columns apart, then neighbours; one without a neighbour is in order.
struct Place {
  std::size_t at, apart;
  Place(std::size_t group, std::size_t columns) {
    const bool whole = group < columns / group_columns * 8, alone = !whole && (group | 1) >= columns / 32;
    const std::size_t pair = whole ? group / 8 * 4 + group % 4 : group / 2, second = whole ? group % 8 / 4 : group % 2;
    at = pair * 64 + second * 16;
    apart = alone ? 16 : 32;
  }
};

inline __m256i round_bytes(const float* x, __m256 inverse) {
  const __m256i mixed = _mm256_packs_epi16(round_words(x, inverse), round_words(x + 16, inverse));
  return _mm256_permutevar8x32_epi32(mixed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

inline __m256i sums_of_fours(__m256i bytes) {
  return _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes), _mm256_set1_epi16(1));
}

// 32 columns as int8, 127 the largest magnitude; and the sums of both halves.
struct RoundedGroup {
  __m256i bytes;
  float scale;
  int low, high;
  explicit RoundedGroup(const float* x) {
    const Scale by(x, 32, 127);
    bytes = round_bytes(x, _mm256_set1_ps(by.inverse));
    scale = by.scale;
    __m256i sum = sums_of_fours(bytes);
    sum = _mm256_hadd_epi32(sum, sum);
    sum = _mm256_hadd_epi32(sum, sum);
    low = _mm256_extract_epi32(sum, 0);
    high = _mm256_extract_epi32(sum, 4);
  }
  std::int16_t word(int half) const { return static_cast<std::int16_t>(4 * (half == 0 ? low : high)); }
  float sum16(int half) const { return scale * static_cast<float>(half == 0 ? low : high); }
  float sum32() const { return scale * static_cast<float>(low + high); }
};

inline void pack_bytes_group(const float* x, const Int8Rows& rows, std::size_t token, std::size_t group, Place place) {
  const RoundedGroup rounded(x);
  std::int8_t* const to = rows.values(token) + place.at;
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_castsi256_si128(rounded.bytes));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to + place.apart), _mm256_extracti128_si256(rounded.bytes, 1));
  const std::size_t first =
      group / 8 * 16 + group % 8 / 4 * 4 + group % 4 / 2 * 8 + group % 2 * 2;  // 0-3, 8-11, 4-7, ...
  rows.sums<16>(token)[first] = rounded.sum16(0);
  rows.sums<16>(token)[first + 1] = rounded.sum16(1);
  rows.words(token)[group * 2] = rounded.word(0);
  rows.words(token)[group * 2 + 1] = rounded.word(1);
  rows.sums<32>(token)[group] = rounded.sum32();
  rows.scales(token)[group] = rounded.scale;
}

// The largest magnitudes of four times 32 numbers, ordered as Scale orders them.
inline __m128 four_magnitudes(const float* const (&x)[4]) {
  const auto larger = [](__m256 a, __m256 b) {
    return _mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b)));
  };
  __m256 largest[4];
  for (std::size_t t = 0; t < 4; ++t) {
    const auto at = [&](std::size_t i) { return Avx2::abs(_mm256_loadu_ps(x[t] + i)); };
    largest[t] = larger(larger(at(0), at(8)), larger(at(16), at(24)));
  }
  const auto both = [&](__m256 a, __m256 b) { return larger(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b)); };
  const __m256d a = _mm256_castps_pd(both(largest[0], largest[1])), b = _mm256_castps_pd(both(largest[2], largest[3]));
  const __m256 all = larger(_mm256_castpd_ps(_mm256_unpacklo_pd(a, b)), _mm256_castpd_ps(_mm256_unpackhi_pd(a, b)));
  return _mm256_castps256_ps128(larger(all, _mm256_permute2f128_ps(all, all, 1)));
}

// What `crowding` of a group's activations may be, so that sums of their products fit in 16 bits.
//
// With codes of 0 to 63: what those of one sign add up to, of each 16 columns every first and second of four, or every
// third and fourth. Eight times 127 may occur, a third of that is usual.
//
// Mixed, with codes of -32 to 31 in the end: what the magnitudes of 16 columns add up to. Half of sixteen times 127 may
// not be reached, a third is usual. Sums on the way there may wrap around.
template <bool mixed>
constexpr int most_crowding = 32767 / (mixed ? 32 : 63);

template <bool mixed>
__m256i crowding(__m256i bytes) {  // words
  const auto all_four = [](__m256i words) {
    const __m256i two = _mm256_add_epi16(words, _mm256_shuffle_epi32(words, 0x4e));
    return _mm256_add_epi16(two, _mm256_shuffle_epi32(two, 0xb1));
  };
  const __m256i ones = _mm256_set1_epi8(1);
  if constexpr (mixed) {
    const __m256i words = all_four(_mm256_maddubs_epi16(_mm256_abs_epi8(bytes), ones));
    return _mm256_add_epi16(words, _mm256_or_si256(_mm256_slli_epi32(words, 16), _mm256_srli_epi32(words, 16)));
  }
  const __m256i positive = _mm256_maddubs_epi16(ones, _mm256_max_epi8(bytes, _mm256_setzero_si256()));
  const __m256i negative = _mm256_sub_epi16(positive, _mm256_maddubs_epi16(ones, bytes));
  return _mm256_max_epi16(all_four(positive), all_four(negative));
}

// The same 32 columns of four tokens, each as RoundedGroup has them; in a larger unit where sums would not fit.
template <bool mixed>
void round_four(const float* const (&x)[4], __m128 magnitudes, ByteQuads::Group& to) {
  const __m128 most = _mm_set1_ps(127);
  __m128 scales;
  __m256i bytes[4];
  const auto round = [&] {
    const __m128 above = _mm_cmpnle_ps(magnitudes, _mm_set1_ps(1e-30f));  // NaN is
    scales = _mm_and_ps(above, _mm_div_ps(magnitudes, most));
    alignas(16) float inverses[4];
    _mm_store_ps(inverses, _mm_and_ps(above, _mm_div_ps(most, magnitudes)));
    for (std::size_t t = 0; t < 4; ++t) bytes[t] = round_bytes(x[t], _mm256_broadcast_ss(inverses + t));
  };
  round();
  constexpr int limit = most_crowding<mixed>, count = mixed ? 16 : 8;
  __m256i too_much = _mm256_setzero_si256();
  for (std::size_t t = 0; t < 4; ++t)
    too_much = _mm256_or_si256(too_much, _mm256_cmpgt_epi16(crowding<mixed>(bytes[t]), _mm256_set1_epi16(limit)));
  if (!_mm256_testz_si256(too_much, too_much)) {
    alignas(16) float larger[4];
    for (std::size_t t = 0; t < 4; ++t) {
      alignas(32) std::int16_t sums[16];
      _mm256_store_si256(reinterpret_cast<__m256i*>(sums), crowding<mixed>(bytes[t]));
      int largest = 0;
      for (const std::int16_t sum : sums) largest = sum > largest ? sum : largest;
      // So many values may be rounded up, before and after.
      larger[t] = largest > limit ? static_cast<float>(largest) / (limit - count - 2) : 1;
    }
    magnitudes = _mm_mul_ps(magnitudes, _mm_load_ps(larger));
    round();
  }
  __m256i sums[4];
  for (std::size_t t = 0; t < 4; ++t) {
    sums[t] = sums_of_fours(bytes[t]);
    if constexpr (mixed) bytes[t] = mix_halves(bytes[t]);
  }
  const __m256i halves = _mm256_hadd_epi32(_mm256_hadd_epi32(sums[0], sums[1]), _mm256_hadd_epi32(sums[2], sums[3]));
  const __m128i low = _mm256_castsi256_si128(halves), high = _mm256_extracti128_si256(halves, 1);
  const auto scaled = [&](__m128i sum) { return _mm_mul_ps(scales, _mm_cvtepi32_ps(sum)); };
  _mm_storeu_ps(to.scales, scales);
  if constexpr (mixed) {
    const __m128i words = _mm_blend_epi16(low, _mm_slli_epi32(high, 16), 0xaa);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to.offsets),
                     _mm_mullo_epi16(words, _mm_set1_epi16(-offset_in_words)));
  } else {
    _mm_storeu_ps(to.sums32, scaled(_mm_add_epi32(low, high)));
  }
  _mm_storeu_ps(to.sums16[0], scaled(low));
  _mm_storeu_ps(to.sums16[1], scaled(high));

  const __m256i low01 = _mm256_unpacklo_epi32(bytes[0], bytes[1]), low23 = _mm256_unpacklo_epi32(bytes[2], bytes[3]);
  const __m256i high01 = _mm256_unpackhi_epi32(bytes[0], bytes[1]), high23 = _mm256_unpackhi_epi32(bytes[2], bytes[3]);
  const __m256i steps[4] = {_mm256_unpacklo_epi64(low01, low23), _mm256_unpackhi_epi64(low01, low23),
                            _mm256_unpacklo_epi64(high01, high23), _mm256_unpackhi_epi64(high01, high23)};
  for (std::size_t s = 0; s < 4; ++s) {  // steps s and s + 4
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to.values[s]), _mm256_castsi256_si128(steps[s]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to.values[s + 4]), _mm256_extracti128_si256(steps[s], 1));
  }
}

// Tokens [token, token + 4), or up to `end`, of which the last is then repeated.
struct FourRows {
  const float* x[4];
  FourRows(const Activations& input, std::size_t token, std::size_t end) {
    for (std::size_t t = 0; t < 4; ++t) x[t] = input.x + (token + t < end ? token + t : end - 1) * input.stride;
  }
};

template <class Quads>
void pack_byte_quad(const Activations& input, const Quads& quads, std::size_t token, std::size_t end) {
  const FourRows rows(input, token, end);
  for (std::size_t column = 0; column < input.columns; column += 32) {
    const float* const x[4] = {rows.x[0] + column, rows.x[1] + column, rows.x[2] + column, rows.x[3] + column};
    round_four<Quads::mixed>(x, four_magnitudes(x), quads.groups(token)[column / 32]);
  }
}

inline void pack_fine_quad(const Activations& input, const FineQuads& quads, std::size_t token, std::size_t end) {
  const FourRows rows(input, token, end);
  alignas(16) float limits[4];
  for (std::size_t t = 0; t < 4; ++t) limits[t] = far_above(rows.x[t], input.columns);
  std::size_t room[4];
  for (std::size_t column = 0; column < input.columns; column += 32) {
    FineQuads::List& list = quads.list(token, column);
    if (column % FineQuads::chunk == 0) {
      list.count = 0;
      for (std::size_t& left : room) left = FineQuads::most;
    }
    const float* x[4] = {rows.x[0] + column, rows.x[1] + column, rows.x[2] + column, rows.x[3] + column};
    ByteQuads::Group& to = quads.groups(token)[column / 32];
    const __m128 magnitudes = four_magnitudes(x);
    const int some = _mm_movemask_ps(_mm_cmpgt_ps(magnitudes, _mm_load_ps(limits)));
    if (some == 0) {
      round_four<false>(x, magnitudes, to);
      continue;
    }
    alignas(32) float rest[4][32];
    float sums[2][4] = {};
    for (std::size_t t = 0; t < 4; ++t) {
      const unsigned bits = (some >> t & 1) != 0 ? larger(x[t], limits[t]) : 0;
      if (bits == 0) continue;
      __builtin_memcpy(rest[t], x[t], sizeof rest[t]);
      set_aside(rest[t], bits, room[t], [&](std::size_t at, float value) {
        list.far[list.count++] = {static_cast<std::uint16_t>(column % FineQuads::chunk + at),
                                  static_cast<std::uint16_t>(t), value};
        sums[at / 16][t] += value;
      });
      x[t] = rest[t];
    }
    round_four<false>(x, four_magnitudes(x), to);
    // What is far meets constants as all else does.
    for (std::size_t t = 0; t < 4; ++t) {
      to.sums32[t] += sums[0][t] + sums[1][t];
      for (std::size_t half = 0; half < 2; ++half) to.sums16[half][t] += sums[half][t];
    }
  }
}

inline void pack_bytes(const float* x, std::size_t columns, const Int8Rows& rows, std::size_t token) {
  // The sums are read in whole vectors: what lies past the last group must be zero.
  for (std::size_t i = columns / 16; i < round_up(columns / 16, 16); ++i) rows.sums<16>(token)[i] = 0;
  for (std::size_t i = columns / 32; i < round_up(columns / 32, 16); ++i) rows.sums<32>(token)[i] = 0;
  for (std::size_t group = 0; group < columns / 32; ++group)
    pack_bytes_group(x + group * 32, rows, token, group, Place(group, columns));
}

inline void pack_words(const float* x, std::size_t columns, const WordQuads& quads, std::size_t token) {
  for (std::size_t first = 0; first < columns; first += group_columns) {
    const std::size_t count = columns - first < group_columns ? columns - first : group_columns;
    const Scale by(x + first, count, 2047);
    const __m256 inverse = _mm256_set1_ps(by.inverse);
    std::int16_t(*const to)[4][2] = quads.values(token) + first / 2;
    for (std::size_t i = 0; i < count; i += 16) {
      alignas(32) std::int16_t words[16];
      _mm256_store_si256(reinterpret_cast<__m256i*>(words),
                         _mm256_permute4x64_epi64(round_words(x + first + i, inverse), 0xd8));
      for (std::size_t pair = 0; pair < 8; ++pair) __builtin_memcpy(to[i / 2 + pair][token % 4], words + pair * 2, 4);
    }
    quads.scales(token)[first / group_columns][token % 4] = by.scale;
  }
}

}  // namespace
}  // namespace hearth::kernels
