// Products with many tokens on processors with VNNI but vectors of 256 bits: panels of 16 rows become bytes on one
// scale for each row and 64 columns, and meet six tokens at a time, whose activations have one for 64 too.
#pragma once

#include "kernels/matmul/avx2_many.h"
#include "kernels/matmul/vnni.h"

namespace hearth::kernels {
namespace {

constexpr std::size_t dot_chunk = 1024;

// Activations: each token a record of bytes, then for each 64 columns a scale and -128 times the bytes' sum, where sums
// begin, since weights are 128 more than they should be; then outliers.
struct ByteRows {
  using List = Outliers<dot_chunk>;
  static constexpr std::size_t part = 64;
  struct Part {
    float scale;
    std::int32_t start;
  };
  std::byte* base;
  std::size_t parts_at, lists_at, record;

  ByteRows(const std::byte* packed, std::size_t columns)
      : base(const_cast<std::byte*>(packed)),
        parts_at(round_up(columns, part)),
        lists_at(parts_at + parts_at / part * sizeof(Part)),
        record(record_of(lists_at + round_up(columns, dot_chunk) / dot_chunk * sizeof(List))) {}
  std::int8_t* values(std::size_t token) const { return reinterpret_cast<std::int8_t*>(base + token * record); }
  Part* parts(std::size_t token) const { return reinterpret_cast<Part*>(base + token * record + parts_at); }
  List& list(std::size_t token, std::size_t column) const {
    return reinterpret_cast<List*>(base + token * record + lists_at)[column / dot_chunk];
  }
};

inline void pack_byte_row(const float* x, std::size_t columns, const ByteRows& rows, std::size_t token) {
  const float limit = far_for_all * root_mean_square(x, columns);
  for (std::size_t first = 0; first < columns; first += ByteRows::part) {
    ByteRows::List& list = rows.list(token, first);
    if (first % dot_chunk == 0) list.count = 0;
    const std::size_t count = columns - first < ByteRows::part ? columns - first : ByteRows::part;
    const float* from = x + first;
    alignas(32) float rest[ByteRows::part];
    Scale by(from, count, 127);
    if (by.scale * 127 > limit) {
      list.take(from, count, first % dot_chunk, limit, rest);
      from = rest;
      by = Scale(from, count, 127);
    }
    const __m256 inverse = _mm256_set1_ps(by.inverse);
    const __m256i low = round_bytes(from, inverse);
    const __m256i high = count > 32 ? round_bytes(from + 32, inverse) : _mm256_setzero_si256();
    auto* const to = reinterpret_cast<__m256i*>(rows.values(token) + first);
    _mm256_storeu_si256(to, low);
    _mm256_storeu_si256(to + 1, high);
    __m256i sum = _mm256_add_epi32(sums_of_fours(low), sums_of_fours(high));
    sum = _mm256_hadd_epi32(sum, sum);
    sum = _mm256_hadd_epi32(sum, sum);
    const int all = _mm256_extract_epi32(sum, 0) + _mm256_extract_epi32(sum, 4);
    rows.parts(token)[first / ByteRows::part] = {by.scale, -128 * all};
  }
}

// Bytes [columns / 4][2 panels][8 rows][4 columns]: 128 more than the weight in its row's unit. What fills up the last
// 64 columns is anything, and meets zeros.
constexpr int dot_cut = 5;
struct DotPanels : OneScale<127 << dot_cut, dot_chunk, ByteRows::part, dot_cut> {
  static constexpr std::size_t chunk = dot_chunk;
  alignas(64) std::uint8_t codes[chunk / 4][panels][panel_step];

  template <class F>
  void unpack(const Source& from) {
    // Halves go up in one column and down in the next: all up, they would add up.
    const __m256i halves = _mm256_set1_epi32((1 << (dot_cut - 1)) | ((1 << (dot_cut - 1)) - 1) << 16);
    const auto byte = [=](__m256i words) { return _mm256_srai_epi16(_mm256_add_epi16(words, halves), dot_cut); };
    const std::size_t steps = from.columns / 32;
    for (std::size_t panel = 0; panel * panel_rows < from.rows; ++panel) {
      for (std::size_t i = 0; i < panel_rows; ++i) rescale_row<F>(from, panel, i);
      for (std::size_t step = 0; step < steps; ++step) {
        __m256i v[panel_rows];
        for (std::size_t i = 0; i < panel_rows; ++i) {
          const Pair row = words_of<F>(from, panel, i, step);
          const __m256i bytes = _mm256_permute4x64_epi64(_mm256_packs_epi16(byte(row.first), byte(row.second)), 0xd8);
          v[i] = _mm256_xor_si256(bytes, _mm256_set1_epi8(-128));
        }
        transpose(v, codes[step * 8][panel], sizeof codes[0]);
      }
    }
  }
};

template <int T>
struct DotTile {
  [[gnu::noinline]] static void run(std::size_t token, const ProductPiece& piece, const Source& from,
                                    const DotPanels& weights) {
    const ByteRows in(piece.input->packed[static_cast<std::size_t>(Form::int8_tiles)], piece.input->columns);
    fetch_output(piece, token, T, from.row);
    const std::size_t record = in.record;
    const std::int8_t* x = in.values(token) + from.first;
    const std::byte* part = reinterpret_cast<const std::byte*>(in.parts(token) + from.first / ByteRows::part);
    const std::uint8_t(*w)[panels][panel_step] = weights.codes;
    __m256 totals[T][panels];
    unroll<T>(HEARTH_UNROLL(t) { totals[t][0] = totals[t][1] = _mm256_setzero_ps(); });
    for (std::size_t k = 0; k * ByteRows::part < from.columns; ++k, part += sizeof(ByteRows::Part)) {
      __m256i dots[T][panels];
      unroll<T>(HEARTH_UNROLL(t) {
        const auto* const at = reinterpret_cast<const ByteRows::Part*>(part + t * record);
        dots[t][0] = dots[t][1] = _mm256_set1_epi32(at->start);
      });
      for (const auto* const end = w + ByteRows::part / 4; w != end; w += 4, x += 16)
        unroll<4>(HEARTH_UNROLL(s) {
          const __m256i wa = _mm256_load_si256(reinterpret_cast<const __m256i*>(w[s][0]));
          const __m256i wb = _mm256_load_si256(reinterpret_cast<const __m256i*>(w[s][1]));
          unroll<T>(HEARTH_UNROLL(t) {
            const __m256i four = _mm256_set1_epi32(static_cast<int>(load_word(x + t * record + s * 4)));
            dots[t][0] = dot_bytes(dots[t][0], wa, four);
            dots[t][1] = dot_bytes(dots[t][1], wb, four);
          });
        });
      unroll<panels>(HEARTH_UNROLL(p) {
        const __m256 of_row = _mm256_load_ps(weights.scales[k][p]);
        unroll<T>(HEARTH_UNROLL(t) {
          const auto* const at = reinterpret_cast<const ByteRows::Part*>(part + t * record);
          const __m256 scale = _mm256_mul_ps(of_row, _mm256_broadcast_ss(&at->scale));
          totals[t][p] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[t][p]), scale, totals[t][p]);
        });
      });
    }
    __m256 sums[T][panels];  // in memory, which totals are not
    unroll<T>(HEARTH_UNROLL(t) { unroll<panels>(HEARTH_UNROLL(p) { sums[t][p] = totals[t][p]; }); });
    for (std::size_t t = 0; t < T; ++t) add_far(in.list(token + t, from.first), weights, sums[t]);
    write_tile<T>(piece, from, token, sums);
  }

  // Adds a token's outliers, times their columns of weights.
  static void add_far(const ByteRows::List& list, const DotPanels& weights, __m256 (&sums)[panels]) {
    for (const auto* far = list.far; far != list.far + list.count; ++far) {
      const __m128i shift = _mm_cvtsi32_si128(static_cast<int>(far->column % 4 * 8));
      const __m256 value = _mm256_broadcast_ss(&far->value);
      for (std::size_t p = 0; p < panels; ++p) {
        const auto* const codes = reinterpret_cast<const __m256i*>(weights.codes[far->column / 4][p]);
        const __m256i code =
            _mm256_and_si256(_mm256_srl_epi32(_mm256_load_si256(codes), shift), _mm256_set1_epi32(0xff));
        const __m256 weight = _mm256_cvtepi32_ps(_mm256_sub_epi32(code, _mm256_set1_epi32(128)));
        const __m256 scale = _mm256_load_ps(weights.scales[far->column / ByteRows::part][p]);
        sums[p] = Avx2::fma(_mm256_mul_ps(weight, scale), value, sums[p]);
      }
    }
  }
};

}  // namespace
}  // namespace hearth::kernels
