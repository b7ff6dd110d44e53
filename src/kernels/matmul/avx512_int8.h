// Products with many tokens: panels of 16 rows are unpacked once, into the order in which the dot-product instruction
// eats them, and multiplied with every token. Integer formats become bytes on one scale for each row and 256 columns.
#pragma once

#include "kernels/matmul/avx512.h"
#include "kernels/matmul/avx512_tiles.h"

namespace hearth::kernels {
namespace {

constexpr std::size_t group_bytes = panel_rows * group_columns;

// What turns a format's codes into codes of 256 columns on one scale: code * factor + constant, in 1/256.
struct Rescale {
  std::uint16_t factor[16], constant[16];
};

// For the groups of one row's 256 columns. A code's range decides its group's magnitude, not the codes that occur.
template <class F>
float find_rescale(const float* scales, const float* minimums, std::size_t count, Rescale& out) {
  const __mmask16 part = Avx512::first(count);
  const __m512 scale = _mm512_maskz_loadu_ps(part, scales);
  __m512 low = _mm512_mul_ps(scale, _mm512_set1_ps(-static_cast<float>(F::offset)));
  if constexpr (F::minimum) low = _mm512_maskz_loadu_ps(part, minimums);
  const __m512 high = _mm512_fmadd_ps(scale, _mm512_set1_ps(static_cast<float>(F::most)), low);
  const float most = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(low), _mm512_abs_ps(high)));
  const bool zero = !(most > 1e-30f);
  const __m512 inverse = _mm512_set1_ps(zero ? 0 : 127 / most);
  constexpr bool bytes = F::most > 63;
  // Bytes are multiplied as signed numbers, by a factor in 1/32768 that is at most 1.
  const __m512 factor = _mm512_min_ps(_mm512_mul_ps(_mm512_mul_ps(scale, inverse), _mm512_set1_ps(bytes ? 32768 : 256)),
                                      _mm512_set1_ps(32767));
  // A byte of 128 is zero. Halves go up in one group and down in the next: all up, they would add up.
  const __m512 zero_byte =
      _mm512_mask_blend_ps(0xaaaa, _mm512_set1_ps(128 * 256 + 128), _mm512_set1_ps(128 * 256 + 127));
  const __m512 constant =
      bytes ? zero_byte : _mm512_fmadd_ps(_mm512_mul_ps(low, inverse), _mm512_set1_ps(256), zero_byte);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out.factor), _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(factor)));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out.constant), _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(constant)));
  return zero ? 0 : most / 127;
}

// The factors of 64 columns, each over the bytes of its group.
template <std::size_t group>
__m512i spread_words(const std::uint16_t* words) {
  if constexpr (group == 32) {
    const __m512i pair = _mm512_set1_epi32(static_cast<int>(load_word(words)));
    return _mm512_permutexvar_epi16(by_halves(0, 0x0001000100010001), pair);
  } else {
    const __m512i four = _mm512_broadcastq_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(words)));
    return _mm512_permutexvar_epi16(by_quarters(0, 0x0001000100010001, 0x0002000200020002, 0x0003000300030003), four);
  }
}

template <class F>
__m512i rescale(__m512i codes, const Rescale& by, std::size_t step) {
  constexpr std::size_t groups = 64 / F::group;
  const __m512i factor = spread_words<F::group>(by.factor + step * groups);
  const __m512i constant = spread_words<F::group>(by.constant + step * groups);
  __m512i even, odd;
  if constexpr (F::most > 63) {
    codes = _mm512_xor_si512(codes, _mm512_set1_epi8(-128));
    even = _mm512_mulhrs_epi16(_mm512_slli_epi16(codes, 8), factor);
    odd = _mm512_mulhrs_epi16(_mm512_and_si512(codes, _mm512_set1_epi16(-256)), factor);
  } else {
    even = _mm512_mullo_epi16(_mm512_and_si512(codes, _mm512_set1_epi16(255)), factor);
    odd = _mm512_mullo_epi16(_mm512_srli_epi16(codes, 8), factor);
  }
  even = _mm512_srli_epi16(_mm512_add_epi16(even, constant), 8);
  return _mm512_mask_blend_epi8(0xaaaaaaaaaaaaaaaa, even, _mm512_add_epi16(odd, constant));
}

struct Int8Panels {
  static constexpr std::size_t stretch = 64, chunk = 4096;  // so that the panels stay in the second cache
  static constexpr std::size_t panel_bytes = chunk * panel_rows + panel_apart;
  struct Memory {
    // bytes [columns / 4][16 rows][4 columns], code = weight / scale + 128
    alignas(64) std::uint8_t codes[panels][panel_bytes];
    float scales[panels][chunk / group_columns][panel_rows];
    // of the panel that is being unpacked: its own groups' scales and minimums, and how to bring them to one scale
    float own_scales[panel_rows][chunk / 16 + 16], minimums[panel_rows][chunk / 16 + 16];
    Rescale rescales[panel_rows];
  };
  static constexpr std::size_t scratch_bytes = sizeof(Memory);

  const ProductPiece& piece;
  const TileRows in;
  Memory& memory;

  explicit Int8Panels(const ProductPiece& p)
      : piece(p),
        in(p.input->packed[static_cast<std::size_t>(Form::int8_tiles)], p.input->columns, Form::int8_tiles),
        memory(*reinterpret_cast<Memory*>(p.scratch)) {}

  template <int T, int P>
  [[gnu::noinline]] void product(const Area& area, std::size_t token, std::size_t panel, __m512 (&out)[T][P],
                                 Fetch& next) const {
    __m512 sums[T][P];
    unroll<T>(HEARTH_UNROLL(t) { unroll<P>(HEARTH_UNROLL(p) { sums[t][p] = _mm512_setzero_ps(); }); });
    const std::size_t stride = in.record, parts = round_up(area.columns, 64) / 64;
    const std::byte *const first = in.base + token * stride, *values = first + area.first;
    const std::byte *const scales = first + in.scales_at + area.first / 16, *const starts = scales + in.starts_after;
    const std::uint8_t* from = memory.codes[panel];
    constexpr std::size_t parts_of_group = group_columns / 64;
    for (std::size_t part = 0; part < parts;) {
      const std::size_t of_group = part / parts_of_group;
      const std::size_t end = part + parts_of_group < parts ? part + parts_of_group : parts;
      __m512 group[T][P];
      unroll<T>(HEARTH_UNROLL(t) { unroll<P>(HEARTH_UNROLL(p) { group[t][p] = _mm512_setzero_ps(); }); });
      for (; part < end; ++part) {  // activations have a scale for each 64 columns
        next.some();
        __m512i dots[T][P];
        unroll<T>(HEARTH_UNROLL(t) {
          const __m512i start = _mm512_set1_epi32(load_as<int>(starts + part * 4 + t * stride));
          unroll<P>(HEARTH_UNROLL(p) { dots[t][p] = start; });
        });
        for (int step = 0; step < 16; ++step) {
          __m512i w[P];
          unroll<P>(HEARTH_UNROLL(p) { w[p] = _mm512_load_si512(from + p * panel_bytes); });
          unroll<T>(HEARTH_UNROLL(t) {
            const __m512i four = _mm512_set1_epi32(load_as<int>(values + t * stride));
            unroll<P>(HEARTH_UNROLL(p) { Avx512Product::add_dot(dots[t][p], w[p], four); });
          });
          from += 64;
          values += 4;
        }
        unroll<T>(HEARTH_UNROLL(t) {
          const __m512 scale = _mm512_set1_ps(load_as<float>(scales + part * 4 + t * stride));
          unroll<P>(
              HEARTH_UNROLL(p) { group[t][p] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[t][p]), scale, group[t][p]); });
        });
      }
      unroll<P>(HEARTH_UNROLL(p) {
        const __m512 by = _mm512_load_ps(memory.scales[panel + p][of_group]);
        unroll<T>(HEARTH_UNROLL(t) { sums[t][p] = _mm512_fmadd_ps(group[t][p], by, sums[t][p]); });
      });
    }
    unroll<T>(HEARTH_UNROLL(t) { unroll<P>(HEARTH_UNROLL(p) { out[t][p] = sums[t][p]; }); });
  }
};

// One group of 256 columns, or of the last ones. A missing row is like the first.
template <class F>
void unpack_group(Int8Panels::Memory& to, const std::byte* weights, std::size_t row_bytes, std::size_t rows,
                  std::size_t group, std::size_t columns, std::size_t panel) {
  constexpr std::size_t scales = group_columns / F::group;
  for (std::size_t row = 0; row < rows; ++row)
    to.scales[panel][group][row] = find_rescale<F>(
        to.own_scales[row] + group * scales, to.minimums[row] + group * scales, columns / F::group, to.rescales[row]);
  for (std::size_t step = 0; step * 64 < columns; ++step) {
    __m512 v[panel_rows];
    for (std::size_t r = 0; r < panel_rows; ++r) {
      const std::size_t row = r < rows ? r : 0, at = group * 4 + step;
      const __m512i codes = codes_at<F>(weights + row * row_bytes, at, (step + 1) * 64 <= columns);
      v[r] = _mm512_castsi512_ps(rescale<F>(codes, to.rescales[row], step));
    }
    Avx512::transpose(v);
    std::uint8_t* const out = to.codes[panel] + group * group_bytes + step * 1024;
    for (std::size_t i = 0; i < 16; ++i) _mm512_store_ps(out + i * 64, v[i]);
  }
}

template <class F>
void unpack_int8(const Int8Panels& to, const Area& area, std::size_t panel) {
  const std::size_t left = area.rows - panel * panel_rows, rows = left < panel_rows ? left : panel_rows;
  const std::size_t row_bytes = to.piece.row_bytes;
  const std::byte* const weights = to.piece.weights + (area.row + panel * panel_rows) * row_bytes +
                                   area.first / F::Block::weights * sizeof(typename F::Block);
  for (std::size_t row = 0; row < rows; ++row)
    F::expand(reinterpret_cast<const typename F::Block*>(weights + row * row_bytes), area.columns / F::Block::weights,
              to.memory.own_scales[row], to.memory.minimums[row]);
  for (std::size_t group = 0; group * group_columns < area.columns; ++group) {
    const std::size_t columns = area.columns - group * group_columns;
    unpack_group<F>(to.memory, weights, row_bytes, rows, group, columns < group_columns ? columns : group_columns,
                    panel);
  }
}

}  // namespace
}  // namespace hearth::kernels
