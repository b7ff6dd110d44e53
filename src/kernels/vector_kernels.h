// Arithmetic on vectors of float32 and on rows of a key-value cache: everything but matrix products.
// Pointers in, numbers out: no threads, allocation or exceptions. Included by isa/*.cpp, so no std templates.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hearth::kernels {

// How one position of one head is written in a cache: plain, or in blocks of 32 as GGUF's Q8_0 and Q4_0.
enum class RowType : std::uint8_t { f32, f16, q8_0, q4_0 };

enum class Function : std::uint8_t { silu, gelu_tanh, gelu_erf, relu, relu_squared };

// The query rows of one KV head, against positions [begin, end) of its cache. Row (t, g) is head g of token t, which
// stands at position `first + t`. A row's result does not depend on the other rows of its piece.
struct AttentionPiece {
  const float* queries;  // row (t, g) at queries + t * query_stride + g * key_width
  std::size_t query_stride, tokens, group;
  std::size_t first;

  RowType type;
  const std::byte *keys, *values;  // position p at keys + p * key_bytes
  std::size_t key_bytes, value_bytes, key_width, value_width;
  std::size_t begin, end;  // begin is a multiple of attention_tile

  float scale, softcap;
  std::size_t window;  // 0: none
  bool causal;
  bool exact;           // in float32 throughout
  const float* slopes;  // [group], or null

  // Row (t, g) at output + t * output_stride + g * value_width. With `maximum` and `sum` ([tokens * group] each) the
  // output is not yet divided by the sum, for merge_attention; without, it is the result.
  float* output;
  std::size_t output_stride;
  float *maximum, *sum;
  float* scratch;  // attention_scratch(...) floats, aligned to 64 bytes
};

// Rows of weights in a screen (ops/screen.h) times one x. A row is `columns` codes of 4 bits, then the `screen_leading`
// bytes of the columns whose x are largest; in `x` these follow the others, among which they are zero. The weight of a
// code is (code - screen_middle) * code_units[row].
inline constexpr std::size_t screen_block = 64;  // columns, in 32 bytes: byte j holds columns j and, above, j + 32
inline constexpr std::size_t screen_leading = 32;
inline constexpr float screen_middle = 7.5f;
struct ScreenPiece {
  const std::uint8_t* rows;  // like the units, of whole fours
  std::size_t columns;       // whole blocks
  const float *code_units, *leading_units;
  const std::int8_t* x;  // [columns + screen_leading], -127 to 127
  std::int32_t x_sum;    // of the columns
  float x_unit, x_leading_unit;
  std::size_t begin, end;  // rows; begin is a multiple of four
  float* y;                // of all rows
};

struct VectorKernels {
  void (*encode_row[4])(const float* x, std::size_t width, std::byte* row);  // by RowType
  void (*decode_row[4])(const std::byte* row, std::size_t width, float* x);

  void (*activate[5])(float* x, std::size_t count);                            // by Function: x = f(x)
  void (*activate_gated[5])(float* gate, const float* up, std::size_t count);  // gate = f(gate) * up
  void (*add)(float* y, const float* x, float scale, std::size_t count);       // y += scale * x
  void (*scale)(float* x, float factor, std::size_t count);
  void (*softcap)(float* x, float cap, std::size_t count);
  void (*softmax)(float* x, std::size_t count);
  void (*log_softmax)(float* x, std::size_t count);
  float (*maximum)(const float* x, std::size_t count);
  float (*exponential_sum)(const float* x, float maximum, std::size_t count);  // of exp(x - maximum)

  void (*screen_rows)(const ScreenPiece& piece);
  // A row's `columns` codes, each the nearest to weight * inverse; the sum of the errors' squares, in units.
  float (*screen_encode)(const float* weights, float inverse, std::size_t columns, std::uint8_t* codes);

  // Multiplies and adds in registers alone, `rounds` times over, to measure the processor; tells how many it did.
  std::size_t (*multiply_add)(std::size_t rounds);

  // As in ops/norm.h; weight and bias may be null, y may be x.
  void (*rms_norm)(const float* x, const float* weight, float epsilon, std::size_t width, float* y);
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float epsilon, std::size_t width,
                     float* y);

  // magnitude * cosine and sine of position * frequency.
  void (*rope_angles)(double position, const double* frequencies, double magnitude, std::size_t count, float* cosines,
                      float* sines);
  // Rotates `half` pairs of x: (x[i], x[i + half]), or (x[2 i], x[2 i + 1]).
  void (*rotate_halves)(float* x, const float* cosines, const float* sines, std::size_t half);
  void (*rotate_pairs)(float* x, const float* cosines, const float* sines, std::size_t half);

  // attend_few reads each key and value straight from the cache; attend_many unpacks a tile of them for all rows.
  std::size_t attention_tile;
  std::size_t (*attention_scratch)(std::size_t rows, std::size_t key_width, std::size_t value_width);
  void (*attend_few)(const AttentionPiece& piece);
  void (*attend_many)(const AttentionPiece& piece);
  // One row from `count` pieces, result i at results + i * stride, maximum and sum at maxima and sums + i * row_stride.
  void (*merge_attention)(const float* results, std::size_t stride, const float* maxima, const float* sums,
                          std::size_t row_stride, std::size_t count, std::size_t width, float* output);
};

}  // namespace hearth::kernels
