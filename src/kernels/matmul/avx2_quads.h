// Activations for products with many tokens, four tokens side by side, so that one pointer serves a tile.
#pragma once

#include "kernels/matmul/avx2.h"

namespace hearth::kernels {
namespace {

// For each 32 columns.
struct ByteGroup {
  std::int8_t values[8][4][4];  // [step][token][column]
  float scales[4];
  union {
    float sums32[4];  // scale * the sum of values
    std::int32_t offsets[1][4];
  };
  float sums16[2][4];
};
struct WideGroup {
  std::int8_t values[8][4][4];
  float scales[4];
  std::int32_t offsets[4][4];
};

template <class G>
struct ByteQuadsOf {
  using Group = G;
  Group* base;
  std::size_t record;  // groups between one four and the next

  ByteQuadsOf(const std::byte* packed, std::size_t columns)
      : base(reinterpret_cast<Group*>(const_cast<std::byte*>(packed))), record(columns / 32 | 1) {}
  Group* groups(std::size_t token) const { return base + token / 4 * record; }
  std::size_t bytes(std::size_t tokens) const { return (tokens + 3) / 4 * record * sizeof(Group); }
};

// Sums of products with codes must fit in 16 bits where vpmaddubsw adds up two (it saturates), and where more are added
// up, in the end: on the way they may wrap around. `crowding` of 32 values, in words, tells how much they are;
// `most_crowding` fits.

// Words of pairs of values, or of their magnitudes, each with its neighbour's; and those of one sign, the larger sum.
inline __m256i pairs(__m256i bytes) {
  return _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes);
}
inline __m256i pairs_of_magnitudes(__m256i bytes) {
  return _mm256_maddubs_epi16(_mm256_abs_epi8(bytes), _mm256_set1_epi8(1));
}
inline __m256i add_next(__m256i words) {  // to each pair of words the next, and to that the first
  return _mm256_add_epi16(words, _mm256_shuffle_epi32(words, 0xb1));
}
inline __m256i add_fours(__m256i words) {  // to each pair of words three others
  return add_next(_mm256_add_epi16(words, _mm256_shuffle_epi32(words, 0x4e)));
}

// Codes of 0 to 63, in groups of 32 columns. Of values of one sign, in each 16 columns every first and second of four,
// or every third and fourth. Eight times 127 may occur, a third of that is usual.
struct ByteQuads : ByteQuadsOf<ByteGroup> {
  static constexpr Form form = Form::int8_quads;
  static constexpr bool mixed = false;
  static constexpr int offset = 0;  // what codes stand for less in words, if anything
  static constexpr int most_crowding = 32767 / 63, crowded = 8;
  static __m256i crowding(__m256i bytes) {
    const __m256i positive = pairs(_mm256_max_epi8(bytes, _mm256_setzero_si256()));
    return _mm256_max_epi16(add_fours(positive), add_fours(_mm256_sub_epi16(positive, pairs(bytes))));
  }
  using ByteQuadsOf<ByteGroup>::ByteQuadsOf;
};

// Bytes likewise, in steps of two columns of the first 16 and two of the others: each word of a product then has one
// scale, though groups be of 16, and holds the whole sum of those. Codes that stand for 32 less (-32 to 31) are brought
// to that there, by a word for the first 16 and one for the others. Magnitudes of 16 columns: half of sixteen times 127
// fits, a third is usual.
struct MixedQuads : ByteQuadsOf<ByteGroup> {
  static constexpr Form form = Form::mixed_quads;
  static constexpr bool mixed = true;
  static constexpr int offset = 32;
  static constexpr int most_crowding = 32767 / offset, crowded = 16;
  static __m256i crowding(__m256i bytes) {
    const __m256i words = add_fours(pairs_of_magnitudes(bytes));
    return _mm256_add_epi16(words, _mm256_or_si256(_mm256_slli_epi32(words, 16), _mm256_srli_epi32(words, 16)));
  }
  using ByteQuadsOf<ByteGroup>::ByteQuadsOf;
};
inline __m256i mix_halves(__m256i bytes) {
  const __m128i order = _mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15);
  return _mm256_shuffle_epi8(_mm256_permute4x64_epi64(bytes, 0xd8), _mm256_broadcastsi128_si256(order));
}

// Bytes likewise, for codes that fill a byte: two steps fit in 16 bits. Neighbours of one sign, which meet up to 255,
// and half the magnitudes of two pairs, rounded up from odd and even ones alike, which meet up to 128 in the end.
struct WideQuads : ByteQuadsOf<WideGroup> {
  static constexpr Form form = Form::wide_quads;
  static constexpr bool mixed = false;
  static constexpr int offset = 128;
  static constexpr int most_crowding = 32767 / 255, crowded = 2;
  static __m256i crowding(__m256i bytes) {
    const __m256i positive = pairs(_mm256_max_epi8(bytes, _mm256_setzero_si256()));
    const __m256i one_sign = _mm256_max_epi16(positive, _mm256_sub_epi16(positive, pairs(bytes)));
    const __m256i two_pairs = add_next(pairs_of_magnitudes(bytes));
    return _mm256_max_epi16(one_sign, _mm256_avg_epu16(two_pairs, _mm256_set1_epi16(1)));
  }
  using ByteQuadsOf<WideGroup>::ByteQuadsOf;
};

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
    record = record_of(scales_at + padded / group_columns * sizeof(float[4]));
  }
  std::int16_t (*values(std::size_t token) const)[4][2] {  // [columns / 2][token][column]
    return reinterpret_cast<std::int16_t(*)[4][2]>(base + token / 4 * record);
  }
  float (*scales(std::size_t token) const)[4] {
    return reinterpret_cast<float(*)[4]>(base + token / 4 * record + scales_at);
  }
  std::size_t bytes(std::size_t tokens) const { return (tokens + 3) / 4 * record; }
};
// The largest magnitudes of four times 32 numbers, ordered as Scale orders them.
inline __m128 four_magnitudes(const float* const (&x)[4]) {
  __m256 largest[4];
  for (std::size_t t = 0; t < 4; ++t) {
    const auto at = [&](std::size_t i) { return Avx2::abs(_mm256_loadu_ps(x[t] + i)); };
    largest[t] = larger_magnitude(larger_magnitude(at(0), at(8)), larger_magnitude(at(16), at(24)));
  }
  const auto both = [&](__m256 a, __m256 b) {
    return larger_magnitude(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
  };
  const __m256d a = _mm256_castps_pd(both(largest[0], largest[1])), b = _mm256_castps_pd(both(largest[2], largest[3]));
  const __m256 all =
      larger_magnitude(_mm256_castpd_ps(_mm256_unpacklo_pd(a, b)), _mm256_castpd_ps(_mm256_unpackhi_pd(a, b)));
  return _mm256_castps256_ps128(larger_magnitude(all, _mm256_permute2f128_ps(all, all, 1)));
}

// The same 32 columns of four tokens, each as RoundedGroup has them; in a larger unit where sums would not fit.
template <class Quads>
void round_four(const float* const (&x)[4], __m128 magnitudes, typename Quads::Group& to) {
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
  constexpr int limit = Quads::most_crowding;
  __m256i crowding[4], too_much = _mm256_setzero_si256();
  for (std::size_t t = 0; t < 4; ++t) {
    crowding[t] = Quads::crowding(bytes[t]);
    too_much = _mm256_or_si256(too_much, _mm256_cmpgt_epi16(crowding[t], _mm256_set1_epi16(limit)));
  }
  if (!_mm256_testz_si256(too_much, too_much)) {
    alignas(16) float larger[4];
    for (std::size_t t = 0; t < 4; ++t) {
      alignas(32) std::int16_t sums[16];
      _mm256_store_si256(reinterpret_cast<__m256i*>(sums), crowding[t]);
      int largest = 0;
      for (const std::int16_t sum : sums) largest = sum > largest ? sum : largest;
      // So many values may be rounded up by a half, before and after.
      larger[t] = largest > limit ? static_cast<float>(largest) / (limit - Quads::crowded) : 1;
    }
    magnitudes = _mm_mul_ps(magnitudes, _mm_load_ps(larger));
    round();
  }
  _mm_storeu_ps(to.scales, scales);
  if constexpr (Quads::form == Form::wide_quads) {
    for (std::size_t t = 0; t < 4; ++t) {
      const __m256i offsets = _mm256_mullo_epi16(add_next(pairs(bytes[t])), _mm256_set1_epi16(-Quads::offset));
      to.offsets[0][t] = _mm256_extract_epi32(offsets, 0);
      to.offsets[1][t] = _mm256_extract_epi32(offsets, 2);
      to.offsets[2][t] = _mm256_extract_epi32(offsets, 4);
      to.offsets[3][t] = _mm256_extract_epi32(offsets, 6);
    }
  } else {
    __m256i sums[4];
    for (std::size_t t = 0; t < 4; ++t) sums[t] = sums_of_fours(bytes[t]);
    const __m256i halves = _mm256_hadd_epi32(_mm256_hadd_epi32(sums[0], sums[1]), _mm256_hadd_epi32(sums[2], sums[3]));
    const __m128i low = _mm256_castsi256_si128(halves), high = _mm256_extracti128_si256(halves, 1);
    const auto scaled = [&](__m128i sum) { return _mm_mul_ps(scales, _mm_cvtepi32_ps(sum)); };
    if constexpr (Quads::mixed) {
      const __m128i words = _mm_blend_epi16(low, _mm_slli_epi32(high, 16), 0xaa);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to.offsets[0]),
                       _mm_mullo_epi16(words, _mm_set1_epi16(-Quads::offset)));
    } else {
      _mm_storeu_ps(to.sums32, scaled(_mm_add_epi32(low, high)));
    }
    _mm_storeu_ps(to.sums16[0], scaled(low));
    _mm_storeu_ps(to.sums16[1], scaled(high));
  }
  if constexpr (Quads::mixed)
    for (__m256i& v : bytes) v = mix_halves(v);

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
    round_four<Quads>(x, four_magnitudes(x), quads.groups(token)[column / 32]);
  }
}

inline void pack_fine_quad(const Activations& input, const FineQuads& quads, std::size_t token, std::size_t end) {
  const FourRows rows(input, token, end);
  alignas(16) float limits[4];
  for (std::size_t t = 0; t < 4; ++t) limits[t] = far_for_measured * root_mean_square(rows.x[t], input.columns);
  std::size_t room[4];
  for (std::size_t column = 0; column < input.columns; column += 32) {
    FineQuads::List& list = quads.list(token, column);
    if (column % FineQuads::chunk == 0) {
      list.count = 0;
      for (std::size_t& left : room) left = FineQuads::most;
    }
    const float* x[4] = {rows.x[0] + column, rows.x[1] + column, rows.x[2] + column, rows.x[3] + column};
    FineQuads::Group& to = quads.groups(token)[column / 32];
    const __m128 magnitudes = four_magnitudes(x);
    const int some = _mm_movemask_ps(_mm_cmpgt_ps(magnitudes, _mm_load_ps(limits)));
    if (some == 0) {
      round_four<FineQuads>(x, magnitudes, to);
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
    round_four<FineQuads>(x, four_magnitudes(x), to);
    // What is far meets constants as all else does.
    for (std::size_t t = 0; t < 4; ++t) {
      to.sums32[t] += sums[0][t] + sums[1][t];
      for (std::size_t half = 0; half < 2; ++half) to.sums16[half][t] += sums[half][t];
    }
  }
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
