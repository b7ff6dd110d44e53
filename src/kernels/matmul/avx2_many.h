// Products with many tokens: 16 rows are unpacked once, into the order in which the dot-product instructions eat them,
// and multiplied with every token, four at a time (floats: six).
//
// Codes of integer formats stay what they are, unsigned bytes with a scale and a constant for each group of columns;
// vpmaddubsw yields pairs of products in 16 bits that are added up there as far as they fit. IQ4's sixteen values are
// such bytes too, nearly (iq4_six_bits). Halves, and what is measured most exactly, become words on one scale for each
// row and 256 columns, for vpmaddwd: 4097 * 2047 * 256 fits in 31 bits.
#pragma once

#include "kernels/matmul/avx2_formats.h"
#include "kernels/matmul/avx2_quads.h"
#include "kernels/matmul/fetch.h"
#include "kernels/matmul/output.h"
#include "kernels/matmul/unroll.h"

namespace hearth::kernels {
namespace {

constexpr std::size_t panel_rows = 8, panels = 2, tile_rows = panel_rows * panels, tile_tokens = 4;
constexpr std::size_t panel_step = panel_rows * sizeof(float);  // bytes that a vector holds of a panel

// Where the weights of a chunk of columns of some rows are, and the place of the chunk in the whole.
struct Source {
  const std::byte* weights;  // of the first row and column
  std::size_t row_bytes, row, rows, first, columns;
  // Rows that are missing repeat the first.
  const std::byte* at(std::size_t i) const { return weights + (i < rows ? i : 0) * row_bytes; }
};

// Calls Tile<T>::run(token, arguments...) for all tokens, `most` at a time.
template <template <int> class Tile, int most, class... Arguments>
void for_tokens(std::size_t tokens, Fetch next, const Arguments&... arguments) {
  std::size_t token = 0;
  for (; token + most <= tokens; token += most) {
    Tile<most>::run(token, arguments...);
    next.some();
  }
  const auto rest = [&]<int T>(const auto& self) {
    if (tokens - token == T) return Tile<T>::run(token, arguments...);
    if constexpr (T > 1) self.template operator()<T - 1>(self);
  };
  rest.template operator()<most - 1>(rest);
}

// What comes after a chunk: the next of the same rows, or the first of the rows that follow.
template <class F>
Fetch next_of(const ProductPiece& whole, const Source& from, std::size_t chunk, std::size_t tiles) {
  const auto bytes = [](std::size_t columns) { return columns / F::Block::weights * sizeof(typename F::Block); };
  const std::size_t columns = whole.input->columns;
  const bool last = from.first + chunk >= columns;
  const std::size_t row = last ? from.row + tile_rows : from.row, first = last ? 0 : from.first + chunk;
  const std::size_t left = row < whole.end ? whole.end - row : 0, rows = left < tile_rows ? left : tile_rows;
  const std::size_t width = bytes(columns - first < chunk ? columns - first : chunk);
  return fetch_rows(whole.weights + row * whole.row_bytes + bytes(first), whole.row_bytes, rows, width, tiles);
}

// For each chunk of columns of each tile of rows: unpacks it, and multiplies it with all tokens.
template <class F, class Panels, template <int> class Tile, int most = 4>
void many(const ProductPiece& whole) {
  auto& to = *reinterpret_cast<Panels*>(whole.scratch);
  const std::size_t columns = whole.input->columns;
  for (std::size_t row = whole.begin; row < whole.end; row += tile_rows) {
    ProductPiece piece = whole;
    for (std::size_t first = 0; first < columns; first += Panels::chunk) {
      const Source from{whole.weights + row * whole.row_bytes + first / F::Block::weights * sizeof(typename F::Block),
                        whole.row_bytes,
                        row,
                        whole.end - row < tile_rows ? whole.end - row : tile_rows,
                        first,
                        columns - first < Panels::chunk ? columns - first : Panels::chunk};
      to.template unpack<F>(from);
      for_tokens<Tile, most>(piece.input->tokens, next_of<F>(whole, from, Panels::chunk, whole.input->tokens / most),
                             piece, from, to);
      piece.bias = nullptr;
      piece.accumulate = true;
    }
  }
}

// The sums are copied first: a loop over rows would keep them, from their beginning, out of registers.
template <int T>
[[gnu::always_inline]] inline void write_tile(const ProductPiece& piece, const Source& from, std::size_t token,
                                              const __m256 (&sums)[T][panels]) {
  __m256 out[T][panels];
  unroll<T>(HEARTH_UNROLL(t) { unroll<panels>(HEARTH_UNROLL(p) { out[t][p] = sums[t][p]; }); });
  const auto store = [&](auto result) __attribute__((always_inline)) {
    float* const y = piece.output + token * piece.output_stride + from.row;
    unroll<T>(HEARTH_UNROLL(t) {
      unroll<panels>(HEARTH_UNROLL(p) {
        float* const to = y + t * piece.output_stride + p * panel_rows;
        Avx2::store(to, result(to, out[t][p]));
      });
    });
  };
  if (from.rows == tile_rows && !piece.bias) {
    if (piece.accumulate) return store([](const float* to, __m256 v) { return Avx2::add(Avx2::load(to), v); });
    return store([](const float*, __m256 v) { return v; });
  }
  for (std::size_t t = 0; t < T; ++t)
    for (std::size_t p = 0; p < panels && p * panel_rows < from.rows; ++p)
      write<Avx2>(piece, token + t, from.row + p * panel_rows, from.rows - p * panel_rows, out[t][p]);
}

// Keeps GCC from gathering a chain of sums into a tree, whose leaves would not fit in registers.
inline __m256i in_turn(__m256i v) {
  __asm__("" : "+x"(v));
  return v;
}

// To eight vectors, `apart` bytes from one another.
inline void transpose(__m256i (&v)[8], void* to, std::size_t apart) {
  __m256 f[8];
  for (int i = 0; i < 8; ++i) f[i] = _mm256_castsi256_ps(v[i]);
  Avx2::transpose(f);
  for (std::size_t i = 0; i < 8; ++i)
    _mm256_store_si256(reinterpret_cast<__m256i*>(static_cast<std::byte*>(to) + i * apart), _mm256_castps_si256(f[i]));
}

// How many steps of four columns fit in 16 bits: all eight where each word has 16 columns' sum of mixed codes, or of
// those of up to five bits, since 8 columns of 63 do (see avx2_quads.h).
template <class F, bool mixed>
constexpr int steps_together = mixed                            ? 8
                               : F::most > 63                   ? 2
                               : F::most > 31 || F::group == 16 ? 4
                                                                : 8;

// Bytes of weights: for each 32 columns the codes [8 steps][2 panels][8 rows][4 columns], then scales and constants
// [groups of columns][2 panels][8 rows], in units of which each row has its own. Scales are words, twice each (mixed:
// of the first 16 columns and the others): they multiply sums of products as these leave 16 bits, which costs what
// adding them up would. 15 bits of a row's largest, fewer where several such sums are added up.
template <std::size_t group, bool mixed = false>
struct BytePanels {
  static constexpr std::size_t chunk = 1024, parts = 32 / group;
  struct Step {
    std::uint8_t codes[8][panels][panel_step];
    std::int16_t factors[parts][panels][panel_rows][2];
    float constants[parts][panels][panel_rows];
  };
  alignas(64) Step steps[chunk / 32];
  alignas(64) float units[panels][panel_rows];
  // Of the panel that is being unpacked: its rows, where there are fewer than eight; scales by rows, and turned.
  std::byte copies[panel_rows][chunk / 32 * sizeof(tensor::Q8_0)];  // the most of any format
  alignas(64) float row_scales[panel_rows][chunk / group + 8], row_minimums[panel_rows][chunk / group + 8];
  alignas(64) float scales[chunk / group + 8][panel_rows], minimums[chunk / group + 8][panel_rows];

  // Each vpmaddwd adds two of its products with words, whatever those are.
  template <class F>
  static constexpr int most_factor = 0x7fff / (8 / steps_together<F, mixed>);

  template <class F>
  void unpack(const Source& from) {
    static_assert(F::group == group && !F::is_signed);
    const std::size_t count = from.columns / 32;
    for (std::size_t panel = 0; panel * panel_rows < from.rows; ++panel) {
      const EightRows rows = rows_of<F>(from, panel);
      read_scales<F>(rows, from.columns);
      unpack_scales<F>(panel, count * parts);
      if constexpr (turns<F>) {
        for (std::size_t s = 0; s < count; s += steps_at_once<F>)
          F::turn(
              rows, s, [&](int i, __m256i codes) __attribute__((always_inline)) {
                const auto to = [&](int step) {
                  return reinterpret_cast<__m256i*>(steps[s + std::size_t(i) / 8].codes[step][panel]);
                };
                if constexpr (!mixed) {
                  _mm256_store_si256(to(i % 8), codes);
                } else if (i % 8 < 4) {  // of the first 16 columns: to wait for the others
                  _mm256_store_si256(to(i % 4 * 2), codes);
                } else {
                  const __m256i first = _mm256_load_si256(to(i % 4 * 2));
                  _mm256_store_si256(to(i % 4 * 2), _mm256_blend_epi16(first, _mm256_slli_epi32(codes, 16), 0xaa));
                  _mm256_store_si256(to(i % 4 * 2 + 1), _mm256_blend_epi16(_mm256_srli_epi32(first, 16), codes, 0xaa));
                }
              });
      } else {
        for (std::size_t s = 0; s < count; ++s) {
          __m256i v[panel_rows];
          for (std::size_t i = 0; i < panel_rows; ++i) {
            v[i] = F::codes(rows[i], s);
            if constexpr (mixed) v[i] = mix_halves(v[i]);
          }
          transpose(v, steps[s].codes[0][panel], sizeof steps[s].codes[0]);
        }
      }
    }
  }

  template <class F>
  EightRows rows_of(const Source& from, std::size_t panel) {
    const std::size_t first = panel * panel_rows;
    if (first + panel_rows <= from.rows) return {from.at(first), from.row_bytes};
    for (std::size_t i = 0; i < panel_rows; ++i)
      __builtin_memcpy(copies[i], from.at(first + i), from.columns / F::Block::weights * sizeof(typename F::Block));
    return {copies[0], sizeof copies[0]};
  }

  template <class F>
  void read_scales(const EightRows& rows, std::size_t columns) {
    using Block = typename F::Block;
    const auto blocks = [&](std::size_t row) { return reinterpret_cast<const Block*>(rows[row]); };
    if constexpr (reads_scales<F>) {
      for (std::size_t g = 0; g < columns / group; g += Block::weights / group)
        F::read_scales(rows.from(g * group / Block::weights * sizeof(Block)), scales + g, minimums + g);
    } else if constexpr (Block::weights == 32) {
      for (std::size_t g = 0; g < columns / 32; ++g) {
        const auto found = F::scales_of([&](int row) -> const Block& { return blocks(std::size_t(row))[g]; });
        _mm256_store_ps(scales[g], found.scale[0]);
        if constexpr (F::minimum) _mm256_store_ps(minimums[g], found.minimum[0]);
      }
    } else {
      for (std::size_t i = 0; i < panel_rows; ++i)
        expand<F>(blocks(i), columns / Block::weights, row_scales[i], row_minimums[i]);
      const auto turn = [&](const float(*from)[chunk / group + 8], float(*to)[panel_rows]) {
        for (std::size_t g = 0; g < columns / group; g += 8) {
          __m256 v[panel_rows];
          for (std::size_t i = 0; i < panel_rows; ++i) v[i] = _mm256_loadu_ps(from[i] + g);
          Avx2::transpose(v);
          for (std::size_t k = 0; k < 8; ++k) _mm256_store_ps(to[g + k], v[k]);
        }
      };
      turn(row_scales, scales);
      if constexpr (F::minimum) turn(row_minimums, minimums);
    }
  }

  template <class F>
  void unpack_scales(std::size_t panel, std::size_t groups) {
    __m256 largest = _mm256_setzero_ps();
    for (std::size_t g = 0; g < groups; ++g) largest = larger_magnitude(largest, Avx2::abs(_mm256_load_ps(scales[g])));
    // Rows without a scale may have constants still; NaN is one.
    const __m256 above = _mm256_cmp_ps(largest, _mm256_set1_ps(1e-30f), _CMP_NLE_UQ);
    const __m256 most = _mm256_set1_ps(float{most_factor<F>}), one = _mm256_set1_ps(1);
    const __m256 per_unit = _mm256_blendv_ps(one, _mm256_div_ps(most, largest), above);
    _mm256_store_ps(units[panel], _mm256_blendv_ps(one, _mm256_div_ps(largest, most), above));
    for (std::size_t g = 0; g < groups; ++g) {
      const __m256 scale = _mm256_mul_ps(_mm256_load_ps(scales[g]), per_unit);
      const __m256i factor = _mm256_cvtps_epi32(scale);
      Step& step = steps[g / parts];
      auto* const to = reinterpret_cast<__m256i*>(step.factors[mixed ? 0 : g % parts][panel]);
      const __m256i first = mixed && g % 2 == 1 ? _mm256_load_si256(to) : factor;
      _mm256_store_si256(to, _mm256_blend_epi16(first, _mm256_slli_epi32(factor, 16), 0xaa));
      _mm256_store_ps(step.constants[g % parts][panel], F::minimum
                                                            ? _mm256_mul_ps(_mm256_load_ps(minimums[g]), per_unit)
                                                            : _mm256_mul_ps(scale, _mm256_set1_ps(-F::offset)));
    }
  }
};

// Pairs of products are added up over `steps` steps of four columns before they leave 16 bits. has_offset: codes are
// brought to what they stand for there (Quads::offset), and need no constants.
template <class Quads, std::size_t group, bool has_offset, int steps, int T>
struct ByteSums {
  static constexpr bool mixed = Quads::mixed;
  static constexpr int parts = mixed ? 1 : 32 / group, chains = 8 / parts / steps;  // of a part

  // Adds the products of 32 columns.
  [[gnu::always_inline]] static inline void add(const typename BytePanels<group, mixed>::Step& w,
                                                const typename Quads::Group& x, __m256 (&totals)[T][panels]) {
    __m256i dots[T][panels];
    unroll<parts>(HEARTH_UNROLL(part) {
      unroll<chains>(HEARTH_UNROLL(chain) {
        __m256i words[T][panels];
        unroll<steps>(HEARTH_UNROLL(s) {
          constexpr int step = (part * chains + chain) * steps + s;
          const __m256i wa = _mm256_load_si256(reinterpret_cast<const __m256i*>(w.codes[step][0]));
          const __m256i wb = _mm256_load_si256(reinterpret_cast<const __m256i*>(w.codes[step][1]));
          unroll<T>(HEARTH_UNROLL(t) {
            const __m256i four = _mm256_set1_epi32(static_cast<int>(load_word(x.values[step][t])));
            const __m256i pa = _mm256_maddubs_epi16(wa, four), pb = _mm256_maddubs_epi16(wb, four);
            words[t][0] = s == 0 ? pa : in_turn(_mm256_add_epi16(words[t][0], pa));
            words[t][1] = s == 0 ? pb : in_turn(_mm256_add_epi16(words[t][1], pb));
          });
        });
        if constexpr (has_offset)
          unroll<T>(HEARTH_UNROLL(t) {
            const __m256i offset = _mm256_set1_epi32(x.offsets[part * chains + chain][t]);
            words[t][0] = in_turn(_mm256_add_epi16(words[t][0], offset));
            words[t][1] = in_turn(_mm256_add_epi16(words[t][1], offset));
          });
        unroll<panels>(HEARTH_UNROLL(p) {
          const __m256i factor = _mm256_load_si256(reinterpret_cast<const __m256i*>(w.factors[part][p]));
          unroll<T>(HEARTH_UNROLL(t) {
            const __m256i sum = _mm256_madd_epi16(words[t][p], factor);
            dots[t][p] = part == 0 && chain == 0 ? sum : in_turn(_mm256_add_epi32(dots[t][p], sum));
          });
        });
      });
    });
    if constexpr (!has_offset)
      unroll<32 / group>(HEARTH_UNROLL(part) {
        unroll<T>(HEARTH_UNROLL(t) {
          const __m256 sum = _mm256_broadcast_ss((group == 32 ? x.sums32 : x.sums16[part]) + t);
          unroll<panels>(HEARTH_UNROLL(p) {
            totals[t][p] = _mm256_fmadd_ps(_mm256_load_ps(w.constants[part][p]), sum, totals[t][p]);
          });
        });
      });
    unroll<T>(HEARTH_UNROLL(t) {
      const __m256 scale = _mm256_broadcast_ss(x.scales + t);
      unroll<panels>(
          HEARTH_UNROLL(p) { totals[t][p] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[t][p]), scale, totals[t][p]); });
    });
  }
};

// What was set aside: weights of single columns, as floats. Their constants were counted with the others'.
template <std::size_t group, int T>
[[gnu::always_inline]] inline void add_far(const FineQuads::List& list, const BytePanels<group>& weights,
                                           __m256 (&totals)[T][panels]) {
  static_assert(BytePanels<group>::chunk == FineQuads::chunk);
  constexpr char none = static_cast<char>(0x80);
  static constexpr char picks[4][4] = {
      {0, none, none, none}, {1, none, none, none}, {2, none, none, none}, {3, none, none, none}};
  const __m256i fours = _mm256_setr_epi32(0, 4, 8, 12, 0, 4, 8, 12);
  alignas(32) float sums[T][panels][panel_rows];
  unroll<T>(HEARTH_UNROLL(t) { unroll<panels>(HEARTH_UNROLL(p) { _mm256_store_ps(sums[t][p], totals[t][p]); }); });
  for (const auto *one = list.far, *const end = one + list.count; one != end; ++one) {
    if (T < 4 && one->token >= T) continue;  // the last, repeated
    const std::size_t column = one->column, part = column % 32 / group;
    const auto& step = weights.steps[column / 32];
    const __m256i pick = _mm256_or_si256(_mm256_set1_epi32(static_cast<int>(load_word(picks[column % 4]))), fours);
    const __m256 value = _mm256_broadcast_ss(&one->value);
    unroll<panels>(HEARTH_UNROLL(p) {
      const __m256i codes = _mm256_load_si256(reinterpret_cast<const __m256i*>(step.codes[column % 32 / 4][p]));
      const __m256i factor = _mm256_load_si256(reinterpret_cast<const __m256i*>(step.factors[part][p]));
      const __m256 weight = _mm256_cvtepi32_ps(_mm256_madd_epi16(_mm256_shuffle_epi8(codes, pick), factor));
      float* const sum = sums[one->token][p];
      _mm256_store_ps(sum, _mm256_fmadd_ps(weight, value, _mm256_load_ps(sum)));
    });
  }
  unroll<T>(HEARTH_UNROLL(t) { unroll<panels>(HEARTH_UNROLL(p) { totals[t][p] = _mm256_load_ps(sums[t][p]); }); });
}

// Quads: ByteQuads, MixedQuads, WideQuads or FineQuads. Never inlined: sums would leave their registers.
template <class Quads, std::size_t group, bool has_offset, int steps, int T>
struct ByteTile {
  [[gnu::noinline]] static void run(std::size_t token, const ProductPiece& piece, const Source& from,
                                    const BytePanels<group, Quads::mixed>& weights) {
    const Quads in(piece.input->packed[static_cast<std::size_t>(Quads::form)], piece.input->columns);
    fetch_output(piece, token, T, from.row);
    const auto* x = in.groups(token) + from.first / 32;
    const auto* w = weights.steps;
    __m256 totals[T][panels];
    unroll<T>(HEARTH_UNROLL(t) { totals[t][0] = totals[t][1] = _mm256_setzero_ps(); });
    for (const auto* const end = w + from.columns / 32; w != end; ++w, ++x)
      ByteSums<Quads, group, has_offset, steps, T>::add(*w, *x, totals);
    if constexpr (Quads::form == Form::fine_quads) add_far(in.list(token, from.first), weights, totals);
    unroll<panels>(HEARTH_UNROLL(p) {
      const __m256 unit = _mm256_load_ps(weights.units[p]);
      unroll<T>(HEARTH_UNROLL(t) { totals[t][p] = _mm256_mul_ps(totals[t][p], unit); });
    });
    write_tile<T>(piece, from, token, totals);
  }
};

// Brings a format's groups to one scale for each row and `together` columns: words of up to `Most` in magnitude, of
// which `cut` bits will be cut off.
template <int Most, std::size_t chunk, std::size_t together, int cut = 0>
struct OneScale {
  static constexpr float most = Most;
  alignas(64) float scales[chunk / together][panels][panel_rows];
  alignas(64) float group_scales[chunk / 16 + 8], group_minimums[chunk / 16 + 8];
  alignas(64) std::int16_t factors[panel_rows][chunk / 16], constants[panel_rows][chunk / 16];

  // Codes are shifted to fill 15 bits, so that factors of up to 32767 / 32768 keep theirs.
  template <class F>
  static constexpr int shift = F::most > 63   ? 7
                               : F::most > 31 ? 8
                               : F::most > 15 ? 9
                               : F::most > 7  ? 10
                               : F::most > 3  ? 11
                                              : 12;

  // Eight groups of a row, or fewer: scales, lowest values and greatest magnitudes. A code's range decides these, not
  // the codes that occur.
  template <class F>
  struct Eight {
    __m256 scale, low, magnitude;

    Eight(const float* scales, const float* minimums, std::size_t count) : scale(Avx2::load_part(scales, count)) {
      constexpr float farthest = F::is_signed ? F::most : F::offset;
      low = F::minimum ? Avx2::load_part(minimums, count) : _mm256_mul_ps(scale, _mm256_set1_ps(-farthest));
      magnitude = larger_magnitude(Avx2::abs(low), Avx2::abs(Avx2::fma(scale, _mm256_set1_ps(F::most), low)));
    }

    // word = (code << shift) * factor / 32768 + constant = value * inverse
    void put(__m256 inverse, std::int16_t* to_factors, std::int16_t* to_constants) const {
      const auto store = [](__m256 values, std::int16_t* to) {
        const __m256i rounded = _mm256_cvtps_epi32(values);
        const __m128i packed = _mm_packs_epi32(_mm256_castsi256_si128(rounded), _mm256_extracti128_si256(rounded, 1));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to), packed);
      };
      constexpr float per_code = 32768 >> shift<F>;
      store(_mm256_mul_ps(_mm256_mul_ps(scale, _mm256_set1_ps(per_code)), inverse), to_factors);
      if constexpr (!F::is_signed) store(_mm256_mul_ps(low, inverse), to_constants);
    }
  };

  // Of a row's groups. Those of a vector of eight have several scales, or one; or two vectors have one.
  template <class F>
  void rescale(std::size_t groups, std::size_t panel, std::size_t row) {
    constexpr std::size_t lanes = together / F::group, step = lanes < 8 ? 8 : lanes;
    const auto eight = [&](std::size_t i) {
      return Eight<F>(group_scales + i, group_minimums + i, i >= groups ? 0 : groups - i < 8 ? groups - i : 8);
    };
    for (std::size_t first = 0; first < groups; first += step) {
      __m256 largest = eight(first).magnitude;
      for (std::size_t i = 8; i < step; i += 8) largest = larger_magnitude(largest, eight(first + i).magnitude);
      largest = larger_magnitude(largest, _mm256_permute_ps(largest, 0xb1));
      if constexpr (lanes > 2) largest = larger_magnitude(largest, _mm256_permute_ps(largest, 0x4e));
      if constexpr (lanes > 4) largest = larger_magnitude(largest, _mm256_permute2f128_ps(largest, largest, 1));
      const __m256 some = _mm256_cmp_ps(largest, _mm256_set1_ps(1e-30f), _CMP_NLE_UQ);  // NaN is
      const __m256 inverse = _mm256_and_ps(_mm256_div_ps(_mm256_set1_ps(most), largest), some);
      for (std::size_t i = first; i < first + step; i += 8) eight(i).put(inverse, factors[row] + i, constants[row] + i);
      alignas(32) float found[8];
      _mm256_store_ps(found, _mm256_and_ps(_mm256_mul_ps(largest, _mm256_set1_ps((1 << cut) / most)), some));
      for (std::size_t i = 0; i < step && first + i < groups; i += lanes)
        scales[(first + i) / lanes][panel][row] = found[i];
    }
  }

  template <class F>
  __m256i words_of(__m128i codes, std::size_t row, std::size_t group) const {
    const __m256i wide = F::is_signed ? _mm256_cvtepi8_epi16(codes) : _mm256_cvtepu8_epi16(codes);
    const __m256i factor = _mm256_set1_epi16(factors[row][group]);
    const __m256i product = _mm256_mulhrs_epi16(_mm256_slli_epi16(wide, shift<F>), factor);
    if constexpr (F::is_signed) return product;
    return _mm256_add_epi16(product, _mm256_set1_epi16(constants[row][group]));
  }

  // The factors, constants and scales of a panel's row `i`.
  template <class F>
  void rescale_row(const Source& from, std::size_t panel, std::size_t i) {
    expand<F>(reinterpret_cast<const typename F::Block*>(from.at(panel * panel_rows + i)),
              from.columns / F::Block::weights, group_scales, group_minimums);
    rescale<F>(from.columns / F::group, panel, i);
  }

  // 32 columns of that row, 16 and 16.
  template <class F>
  Pair words_of(const Source& from, std::size_t panel, std::size_t i, std::size_t step) const {
    const __m256i codes = F::codes(from.at(panel * panel_rows + i), step);
    return {words_of<F>(_mm256_castsi256_si128(codes), i, step * 32 / F::group),
            words_of<F>(_mm256_extracti128_si256(codes, 1), i, (step * 32 + 16) / F::group)};
  }
};

// Words [columns / 2][2 panels][8 rows][2 columns], scales [256 columns][2 panels][8 rows].
constexpr std::size_t word_chunk = 2048;
struct WordPanels : OneScale<4096, word_chunk, group_columns> {
  static constexpr std::size_t chunk = word_chunk;
  alignas(64) std::int16_t words[chunk / 2][panels][panel_rows * 2];

  template <class F>
  void unpack(const Source& from) {
    if constexpr (is_float<F>)
      unpack_halves<F>(from);
    else
      unpack_codes<F>(from);
  }

  // Halves of either kind, without their sign, are ordered as integers are, infinity and NaN above all: a row that has
  // one of these gets it as its scale, and results that are not finite. Below 1e-30 all is zero.
  template <class F>
  void unpack_halves(const Source& from) {
    for (std::size_t panel = 0; panel * panel_rows < from.rows; ++panel)
      for (std::size_t first = 0; first < from.columns; first += group_columns) {
        const std::size_t left = from.columns - first, count = left < group_columns ? left : group_columns;
        float inverses[panel_rows];
        for (std::size_t i = 0; i < panel_rows; ++i) {
          const std::byte* const row = from.at(panel * panel_rows + i) + first * 2;
          __m256i largest = _mm256_setzero_si256();
          for (std::size_t k = 0; k < count; k += 16)
            largest = _mm256_max_epu16(largest, _mm256_and_si256(load32(row + k * 2), _mm256_set1_epi16(0x7fff)));
          const __m128i eight = _mm_max_epu16(_mm256_castsi256_si128(largest), _mm256_extracti128_si256(largest, 1));
          const __m128i least = _mm_minpos_epu16(_mm_xor_si128(eight, _mm_set1_epi16(-1)));
          const auto bits = static_cast<std::uint16_t>(~_mm_extract_epi16(least, 0));
          const float magnitude = _mm256_cvtss_f32(F::load_part(reinterpret_cast<const std::byte*>(&bits), 0, 1));
          const bool zero = magnitude <= 1e-30f;
          inverses[i] = zero ? 0 : most / magnitude;
          scales[first / group_columns][panel][i] = zero ? 0 : magnitude / most;
        }
        for (std::size_t k = first; k < first + count; k += 16) {
          __m256i v[panel_rows];
          for (std::size_t i = 0; i < panel_rows; ++i) {
            const std::byte* const row = from.at(panel * panel_rows + i);
            const __m256 inverse = _mm256_broadcast_ss(inverses + i);
            v[i] = _mm256_permute4x64_epi64(round_words(F::load(row, k), F::load(row, k + 8), inverse), 0xd8);
          }
          transpose(v, words[k / 2][panel], sizeof words[0]);
        }
      }
  }

  template <class F>
  void unpack_codes(const Source& from) {
    for (std::size_t panel = 0; panel * panel_rows < from.rows; ++panel) {
      for (std::size_t i = 0; i < panel_rows; ++i) rescale_row<F>(from, panel, i);
      for (std::size_t step = 0; step < from.columns / 32; ++step) {
        __m256i low[panel_rows], high[panel_rows];
        for (std::size_t i = 0; i < panel_rows; ++i) {
          const Pair row = words_of<F>(from, panel, i, step);
          low[i] = row.first;
          high[i] = row.second;
        }
        transpose(low, words[step * 16][panel], sizeof words[0]);
        transpose(high, words[step * 16 + 8][panel], sizeof words[0]);
      }
    }
  }
};

template <int T>
struct WordTile {
  static void run(std::size_t token, const ProductPiece& piece, const Source& from, const WordPanels& weights) {
    const WordQuads in(piece.input->packed[static_cast<std::size_t>(Form::int16)], piece.input->columns);
    fetch_output(piece, token, T, from.row);
    const std::int16_t(*x)[4][2] = in.values(token) + from.first / 2;
    const float(*scales)[4] = in.scales(token) + from.first / group_columns;
    auto* w = weights.words;
    __m256 totals[T][panels];
    unroll<T>(HEARTH_UNROLL(t) { totals[t][0] = totals[t][1] = _mm256_setzero_ps(); });
    for (std::size_t group = 0; group * group_columns < from.columns; ++group) {
      const std::size_t left = from.columns - group * group_columns;
      __m256i dots[T][panels];
      unroll<T>(HEARTH_UNROLL(t) { dots[t][0] = dots[t][1] = _mm256_setzero_si256(); });
      for (const auto* const end = w + (left < group_columns ? left : group_columns) / 2; w != end; w += 8, x += 8)
        unroll<8>(HEARTH_UNROLL(s) {
          const __m256i wa = _mm256_load_si256(reinterpret_cast<const __m256i*>(w[s][0]));
          const __m256i wb = _mm256_load_si256(reinterpret_cast<const __m256i*>(w[s][1]));
          unroll<T>(HEARTH_UNROLL(t) {
            const __m256i two = _mm256_set1_epi32(static_cast<int>(load_word(x[s][t])));
            dots[t][0] = in_turn(_mm256_add_epi32(dots[t][0], _mm256_madd_epi16(wa, two)));
            dots[t][1] = in_turn(_mm256_add_epi32(dots[t][1], _mm256_madd_epi16(wb, two)));
          });
        });
      unroll<panels>(HEARTH_UNROLL(p) {
        const __m256 scale = _mm256_load_ps(weights.scales[group][p]);
        unroll<T>(HEARTH_UNROLL(t) {
          const __m256 by = _mm256_mul_ps(scale, _mm256_broadcast_ss(scales[group] + t));
          totals[t][p] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[t][p]), by, totals[t][p]);
        });
      });
    }
    write_tile<T>(piece, from, token, totals);
  }
};

// Floats [columns][8 rows]. Chunks as long as these let the processor see ahead in each token's row: those of 256,
// which would fit the first cache, are a tenth slower.
struct FloatPanels {
  static constexpr std::size_t chunk = 1024;
  alignas(64) float values[panels][chunk * panel_rows];

  template <class F>
  void unpack(const Source& from) {
    for (std::size_t panel = 0; panel * panel_rows < from.rows; ++panel)
      for (std::size_t i = 0; i < from.columns; i += 8) {
        const std::size_t count = from.columns - i < 8 ? from.columns - i : 8;
        __m256 v[panel_rows];
        for (std::size_t row = 0; row < panel_rows; ++row) {
          const std::byte* const start = from.at(panel * panel_rows + row);
          v[row] = count == 8 ? F::load(start, i) : F::load_part(start, i, count);
        }
        Avx2::transpose(v);
        for (std::size_t k = 0; k < count; ++k) _mm256_store_ps(values[panel] + (i + k) * panel_rows, v[k]);
      }
  }
};

template <int T>
struct FloatTile {
  static void run(std::size_t token, const ProductPiece& piece, const Source& from, const FloatPanels& weights) {
    const std::size_t stride = piece.input->stride, columns = from.columns;
    const float* const x = piece.input->x + token * stride + from.first;
    __m256 sums[T][panels];
    unroll<T>(HEARTH_UNROLL(t) { sums[t][0] = sums[t][1] = _mm256_setzero_ps(); });
    for (std::size_t k = 0; k < columns; ++k) {
      const __m256 a = _mm256_load_ps(weights.values[0] + k * panel_rows);
      const __m256 b = _mm256_load_ps(weights.values[1] + k * panel_rows);
      unroll<T>(HEARTH_UNROLL(t) {
        const __m256 one = _mm256_broadcast_ss(x + t * stride + k);
        sums[t][0] = _mm256_fmadd_ps(one, a, sums[t][0]);
        sums[t][1] = _mm256_fmadd_ps(one, b, sums[t][1]);
      });
    }
    write_tile<T>(piece, from, token, sums);
  }
};

}  // namespace
}  // namespace hearth::kernels
