// Products with many tokens: panels of 16 rows are unpacked once, into the order in which the dot-product instruction
// eats them, and multiplied with every token. Integer formats become bytes on one scale for each row and 256 columns.
#pragma once

#include "kernels/matmul/avx512.h"
#include "kernels/matmul/output.h"
#include "kernels/matmul/unroll.h"

namespace hearth::kernels {
namespace {

using I = Avx512Product;

constexpr std::size_t panel_rows = 16, panels = 4;  // unpacked at a time
constexpr std::size_t chunk_columns = 4096;         // so that the panels stay in the second cache
constexpr std::size_t group_bytes = panel_rows * group_columns;
constexpr std::size_t chunk_groups = chunk_columns / group_columns;
constexpr std::size_t tile_tokens = 12;

// [panels][groups]: bytes [64 columns / 4][16 rows][4 columns], code = weight / scale + 128, and scales [16 rows].
struct Int8Panels {
  std::uint8_t* codes;
  float* scales;
  std::size_t groups;
  std::uint8_t* codes_of(std::size_t panel, std::size_t group) const {
    return codes + (panel * groups + group) * group_bytes;
  }
  float* scales_of(std::size_t panel, std::size_t group) const {
    return scales + (panel * groups + group) * panel_rows;
  }
};

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
  const __m512 constant =
      bytes ? _mm512_set1_ps(128 * 256 + 128)
            : _mm512_fmadd_ps(_mm512_mul_ps(low, inverse), _mm512_set1_ps(256), _mm512_set1_ps(128 * 256 + 128));
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

struct UnpackScratch {
  float scales[panel_rows][chunk_columns / 16 + 16], minimums[panel_rows][chunk_columns / 16 + 16];
  Rescale rescales[panel_rows];
};

// Columns [first, first + columns) of `rows` <= 16 rows; a missing row is left as it was.
template <class F>
void unpack_panel(const std::byte* weights, std::size_t row_bytes, std::size_t first, std::size_t columns,
                  std::size_t rows, const Int8Panels& to, std::size_t panel, UnpackScratch& scratch) {
  const std::byte* const start = weights + first / F::Block::weights * sizeof(typename F::Block);
  for (std::size_t row = 0; row < rows; ++row)
    F::expand(reinterpret_cast<const typename F::Block*>(start + row * row_bytes), columns / F::Block::weights,
              scratch.scales[row], scratch.minimums[row]);
  constexpr std::size_t groups = group_columns / F::group;
  for (std::size_t group = 0; group * group_columns < columns; ++group) {
    const std::size_t left = columns - group * group_columns;
    const std::size_t width = left < group_columns ? left : group_columns;
    for (std::size_t row = 0; row < rows; ++row)
      to.scales_of(panel, group)[row] =
          find_rescale<F>(scratch.scales[row] + group * groups, scratch.minimums[row] + group * groups,
                          width / F::group, scratch.rescales[row]);
    for (std::size_t step = 0; step * 64 < width; ++step) {
      __m512 v[panel_rows];
      for (std::size_t row = 0; row < panel_rows; ++row) {
        const std::byte* const from = start + (row < rows ? row : 0) * row_bytes;
        const std::size_t at = group * 4 + step;
        __m512i codes;
        if constexpr (F::Block::weights < 64)
          codes = (step + 1) * 64 <= width ? F::codes(from, at) : F::last_codes(from, at);
        else
          codes = F::codes(from, at);
        v[row] = _mm512_castsi512_ps(rescale<F>(codes, scratch.rescales[row < rows ? row : 0], step));
      }
      Avx512::transpose(v);
      float* const out = reinterpret_cast<float*>(to.codes_of(panel, group) + step * 1024);
      for (std::size_t i = 0; i < 16; ++i) _mm512_store_ps(out + i * 16, v[i]);
    }
  }
}

// P panels times T tokens.
template <int P, int T>
void int8_tile(const Int8Panels& weights, std::size_t panel, std::size_t columns, const Int8Rows& in, std::size_t token,
               std::size_t first_group, __m512 (*out)[P]) {
  __m512 sums[T][P];
  unroll<T>(HEARTH_UNROLL(t) { unroll<P>(HEARTH_UNROLL(p) { sums[t][p] = _mm512_setzero_ps(); }); });
  const std::size_t stride = in.record;
  const std::int8_t* values = in.values(token) + first_group * group_columns;
  for (std::size_t group = 0; group * group_columns < columns; ++group) {
    const std::size_t left = columns - group * group_columns;
    const std::size_t steps = (left < group_columns ? left + 63 : group_columns) / 64 * 16;
    const std::uint8_t* codes = weights.codes_of(panel, group);
    const std::size_t panel_stride = weights.groups * group_bytes;
    __m512i dots[T][P];
    unroll<T>(HEARTH_UNROLL(t) {
      const __m512i start = _mm512_set1_epi32(in.starts(token + t)[first_group + group]);
      unroll<P>(HEARTH_UNROLL(p) { dots[t][p] = start; });
    });
    for (std::size_t step = 0; step < steps; ++step) {
      __m512i w[P];
      unroll<P>(HEARTH_UNROLL(p) { w[p] = _mm512_load_si512(codes + p * panel_stride); });
      unroll<T>(HEARTH_UNROLL(t) {
        const __m512i four = _mm512_set1_epi32(static_cast<int>(load_word(values + t * stride)));
        unroll<P>(HEARTH_UNROLL(p) { dots[t][p] = _mm512_dpbusd_epi32(dots[t][p], w[p], four); });
      });
      codes += 64;
      values += 4;
    }
    unroll<P>(HEARTH_UNROLL(p) {
      const __m512 scale = _mm512_load_ps(weights.scales_of(panel + p, group));
      unroll<T>(HEARTH_UNROLL(t) {
        const __m512 by = _mm512_mul_ps(scale, _mm512_set1_ps(in.scales(token + t)[first_group + group]));
        sums[t][p] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[t][p]), by, sums[t][p]);
      });
    });
  }
  unroll<T>(HEARTH_UNROLL(t) { unroll<P>(HEARTH_UNROLL(p) { out[t][p] = sums[t][p]; }); });
}

// T tokens and all panels.
template <int T>
struct Int8Tile {
  static void run(const ProductPiece& piece, const Int8Panels& weights, std::size_t columns, const Int8Rows& in,
                  std::size_t token, std::size_t first_group, std::size_t row, std::size_t rows) {
    std::size_t first = 0;
    for (; rows - first > panel_rows && first < rows; first += 2 * panel_rows) {
      __m512 sums[T][2];
      int8_tile<2, T>(weights, first / panel_rows, columns, in, token, first_group, sums);
      finish<2>(piece, token, row + first, rows - first, sums);
    }
    if (first < rows) {
      __m512 sums[T][1];
      int8_tile<1, T>(weights, first / panel_rows, columns, in, token, first_group, sums);
      finish<1>(piece, token, row + first, rows - first, sums);
    }
  }
  template <int P>
  static void finish(const ProductPiece& piece, std::size_t token, std::size_t row, std::size_t rows,
                     const __m512 (*sums)[P]) {
    for (std::size_t t = 0; t < T; ++t)
      for (std::size_t p = 0; p < P; ++p)
        write<Avx512>(piece, token + t, row + p * panel_rows, rows - p * panel_rows, sums[t][p]);
  }
};

// Calls Tile<T>::run(arguments...) with T = count, 1 to tile_tokens.
template <template <int> class Tile, class... Arguments>
void run_tile(std::size_t count, const Arguments&... arguments) {
  switch (count) {
    case 1:
      return Tile<1>::run(arguments...);
    case 2:
      return Tile<2>::run(arguments...);
    case 3:
      return Tile<3>::run(arguments...);
    case 4:
      return Tile<4>::run(arguments...);
    case 5:
      return Tile<5>::run(arguments...);
    case 6:
      return Tile<6>::run(arguments...);
    case 7:
      return Tile<7>::run(arguments...);
    case 8:
      return Tile<8>::run(arguments...);
    case 9:
      return Tile<9>::run(arguments...);
    case 10:
      return Tile<10>::run(arguments...);
    case 11:
      return Tile<11>::run(arguments...);
    default:
      return Tile<12>::run(arguments...);
  }
}

// Calls task(first token, count) for tiles of nearly equal size.
template <class Task>
void for_tiles(std::size_t tokens, Task task) {
  const std::size_t tiles = (tokens + tile_tokens - 1) / tile_tokens;
  for (std::size_t i = 0; i < tiles; ++i) {
    const std::size_t begin = tokens * i / tiles, end = tokens * (i + 1) / tiles;
    task(begin, end - begin);
  }
}

constexpr std::size_t int8_many_scratch_bytes =
    panels * chunk_groups * (group_bytes + panel_rows * sizeof(float)) + sizeof(UnpackScratch);

template <class F>
void many_int8(const ProductPiece& whole) {
  ProductPiece piece = whole;
  const std::size_t columns = piece.input->columns;
  const Int8Rows in(piece.input->packed[static_cast<std::size_t>(Form::int8)], columns);
  for (std::size_t first = 0; first < columns; first += chunk_columns) {
    const std::size_t width = columns - first < chunk_columns ? columns - first : chunk_columns;
    Int8Panels to{reinterpret_cast<std::uint8_t*>(piece.scratch), nullptr,
                  round_up(width, group_columns) / group_columns};
    to.scales = reinterpret_cast<float*>(piece.scratch + panels * chunk_groups * group_bytes);
    auto& scratch = *reinterpret_cast<UnpackScratch*>(to.scales + panels * chunk_groups * panel_rows);
    constexpr std::size_t at_once = panels * panel_rows;
    for (std::size_t row = piece.begin; row < piece.end; row += at_once) {
      const std::size_t rows = piece.end - row < at_once ? piece.end - row : at_once;
      for (std::size_t panel = 0; panel * panel_rows < rows; ++panel) {
        const std::size_t left = rows - panel * panel_rows;
        unpack_panel<F>(piece.weights + (row + panel * panel_rows) * piece.row_bytes, piece.row_bytes, first, width,
                        left < panel_rows ? left : panel_rows, to, panel, scratch);
      }
      for_tiles(piece.input->tokens, [&](std::size_t token, std::size_t count) {
        run_tile<Int8Tile>(count, piece, to, width, in, token, first / group_columns, row, rows);
      });
    }
    piece.bias = nullptr;
    piece.accumulate = true;
  }
}

// Float weights: panels [columns][16 rows].
constexpr std::size_t float_chunk = 512;
constexpr std::size_t float_many_scratch_bytes = 2 * panel_rows * float_chunk * sizeof(float);

template <class F>
void unpack_floats(const std::byte* weights, std::size_t row_bytes, std::size_t first, std::size_t columns,
                   std::size_t rows, float* to) {
  for (std::size_t i = 0; i < columns; i += 16) {
    const std::size_t count = columns - i < 16 ? columns - i : 16;
    __m512 v[panel_rows];
    for (std::size_t row = 0; row < panel_rows; ++row)
      v[row] = F::load_part(weights + (row < rows ? row : 0) * row_bytes, first + i, count);
    Avx512::transpose(v);
    for (std::size_t k = 0; k < count; ++k) _mm512_store_ps(to + (i + k) * panel_rows, v[k]);
  }
}

template <int T>
struct FloatTile {
  static void run(const ProductPiece& piece, const float* weights, std::size_t first, std::size_t columns,
                  std::size_t token, std::size_t row, std::size_t rows) {
    if (rows > panel_rows)
      product<2>(piece, weights, first, columns, token, row, rows);
    else
      product<1>(piece, weights, first, columns, token, row, rows);
  }
  template <int P>
  static void product(const ProductPiece& piece, const float* weights, std::size_t first, std::size_t columns,
                      std::size_t token, std::size_t row, std::size_t rows) {
    const std::size_t stride = piece.input->stride;
    const float* const x = piece.input->x + token * stride + first;
    __m512 sums[T][P];
    for (int t = 0; t < T; ++t)
      for (int p = 0; p < P; ++p) sums[t][p] = _mm512_setzero_ps();
    for (std::size_t k = 0; k < columns; ++k) {
      __m512 w[P];
      for (int p = 0; p < P; ++p)
        w[p] = _mm512_load_ps(weights + (static_cast<std::size_t>(p) * float_chunk + k) * panel_rows);
      for (int t = 0; t < T; ++t) {
        const __m512 one = _mm512_set1_ps(x[static_cast<std::size_t>(t) * stride + k]);
        for (int p = 0; p < P; ++p) sums[t][p] = _mm512_fmadd_ps(one, w[p], sums[t][p]);
      }
    }
    for (std::size_t t = 0; t < T; ++t)
      for (std::size_t p = 0; p < P; ++p)
        write<Avx512>(piece, token + t, row + p * panel_rows, rows - p * panel_rows, sums[t][p]);
  }
};

template <class F>
void many_float(const ProductPiece& whole) {
  ProductPiece piece = whole;
  const std::size_t columns = piece.input->columns;
  float* const to = reinterpret_cast<float*>(piece.scratch);
  for (std::size_t first = 0; first < columns; first += float_chunk) {
    const std::size_t width = columns - first < float_chunk ? columns - first : float_chunk;
    for (std::size_t row = piece.begin; row < piece.end; row += 2 * panel_rows) {
      const std::size_t rows = piece.end - row < 2 * panel_rows ? piece.end - row : 2 * panel_rows;
      for (std::size_t panel = 0; panel * panel_rows < rows; ++panel) {
        const std::size_t left = rows - panel * panel_rows;
        unpack_floats<F>(piece.weights + (row + panel * panel_rows) * piece.row_bytes, piece.row_bytes, first, width,
                         left < panel_rows ? left : panel_rows, to + panel * float_chunk * panel_rows);
      }
      for_tiles(piece.input->tokens, [&](std::size_t token, std::size_t count) {
        run_tile<FloatTile>(count, piece, to, first, width, token, row, rows);
      });
    }
    piece.bias = nullptr;
    piece.accumulate = true;
  }
}

}  // namespace
}  // namespace hearth::kernels
