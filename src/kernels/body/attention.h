// Attention of the query rows of one KV head over a piece of its cache, by online softmax over tiles of positions.
// [arXiv 1805.02867, 2205.14135]
//
// A row's arithmetic depends on its own query, the tiles it sees and nothing else: the same bits whatever rows share
// its piece.
#pragma once

#include "kernels/body/cache_rows.h"
#include "kernels/vector_kernels.h"

namespace hearth::kernels {
namespace {

constexpr std::size_t tile =
    64;  // positions: a tile of keys and one of values of width 64 fit the first cache as floats
constexpr float lowest = -3e38f;  // a maximum of nothing; finite, so that no difference is not-a-number

constexpr std::size_t round_up(std::size_t n, std::size_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

// Hands out parts of a scratch area, each on a cache line of its own.
struct Carver {
  float* next;
  float* take(std::size_t floats) {
    float* part = next;
    next += round_up(floats, 16);
    return part;
  }
};

// Positions a token sees, of the piece.
struct Visible {
  std::size_t begin, end;
  Visible(const AttentionPiece& piece, std::size_t token) {
    const std::size_t after = piece.first + token + 1;
    begin = piece.window && after > piece.window ? after - piece.window : 0;
    begin = begin > piece.begin ? begin : piece.begin;
    end = piece.causal && after < piece.end ? after : piece.end;
  }
};

// What has been seen so far of every row: running maximum, sum (a vector a row, added up at the end) and weighted
// values.
template <class V>
struct State {
  std::size_t width;  // of a row of values, whole vectors
  float *maxima, *sums, *values;

  State(Carver& carver, std::size_t rows, std::size_t value_width)
      : width(round_up(value_width, V::lanes)),
        maxima(carver.take(rows)),
        sums(carver.take(rows * V::lanes)),
        values(carver.take(rows * width)) {
    for (std::size_t row = 0; row < rows; ++row) maxima[row] = lowest;
    for (std::size_t i = 0; i < rows * V::lanes; ++i) sums[i] = 0;
    for (std::size_t i = 0; i < rows * width; ++i) values[i] = 0;
  }

  void raise_maximum(std::size_t row, float maximum) {
    const auto factor = exponential<V>(V::splat(maxima[row] - maximum));
    maxima[row] = maximum;
    float* const sum = sums + row * V::lanes;
    V::store(sum, V::mul(factor, V::load(sum)));
    for (float *v = values + row * width, *end = v + width; v != end; v += V::lanes)
      V::store(v, V::mul(factor, V::load(v)));
  }

  void finish(const AttentionPiece& piece) const {
    for (std::size_t token = 0, row = 0; token < piece.tokens; ++token)
      for (std::size_t head = 0; head < piece.group; ++head, ++row) {
        const float sum = V::sum(V::load(sums + row * V::lanes));
        float factor = 1;
        if (piece.maximum) {
          piece.maximum[row] = maxima[row];
          piece.sum[row] = sum;
        } else {
          factor = sum > 0 ? 1.0f / sum : 0.0f;
        }
        float* const output = piece.output + token * piece.output_stride + head * piece.value_width;
        const float* const from = values + row * width;
        for_each_vector<V>(piece.value_width, [=](std::size_t i, std::size_t n) {
          store<V>(output + i, V::mul(V::splat(factor), V::load(from + i)), n);
        });
      }
  }
};

// Scores [tile] of one row, products of query and key, become weights, which `keep` is given; sum and maximum follow.
// Positions the row does not see get weight 0, whatever stands in their scores.
template <class V, class Keep>
void soften(const AttentionPiece& piece, State<V>& state, std::size_t token, std::size_t head, std::size_t position,
            const float* scores, Keep keep) {
  using F = typename V::Float;
  constexpr std::size_t vectors = tile / V::lanes;
  const std::size_t row = token * piece.group + head;
  const Visible visible(piece, token);
  F s[vectors];
  if (visible.begin >= position + tile || visible.end <= position) {
    for (F& x : s) x = V::zero();
    return keep(s);
  }
  for (std::size_t k = 0; k < vectors; ++k) s[k] = V::load(scores + k * V::lanes);
  if (piece.softcap > 0) {
    const F cap = V::splat(piece.softcap), inverse = V::splat(1.0f / piece.softcap);
    for (F& x : s) x = V::mul(cap, hyperbolic_tangent<V>(V::mul(inverse, x)));
  }
  if (piece.slopes) {
    const float distance = static_cast<float>(position) - static_cast<float>(piece.first + token);
    const F slope = V::splat(piece.slopes[head]);
    for (std::size_t k = 0; k < vectors; ++k)
      s[k] = V::fma(slope, V::add(V::iota(), V::splat(distance + static_cast<float>(k * V::lanes))), s[k]);
  }
  if (visible.begin > position || visible.end < position + tile) {
    const float hidden = -__builtin_inff();
    const float from = visible.begin > position ? static_cast<float>(visible.begin - position) : 0;
    const float to = static_cast<float>(visible.end - position);
    for (std::size_t k = 0; k < vectors; ++k) {
      const F index = V::add(V::iota(), V::splat(static_cast<float>(k * V::lanes)));
      s[k] = V::where_less(index, V::splat(to), V::where_less(index, V::splat(from), V::splat(hidden), s[k]),
                           V::splat(hidden));
    }
  }
  F top = s[0];
  for (std::size_t k = 1; k < vectors; ++k) top = V::max(top, s[k]);
  if (V::any_greater(top, V::splat(state.maxima[row]))) state.raise_maximum(row, V::maximum(top));
  const F maximum = V::splat(state.maxima[row]);
  F sum = V::load(state.sums + row * V::lanes);
  for (std::size_t k = 0; k < vectors; ++k) {
    s[k] = exponential<V>(V::sub(s[k], maximum));
    sum = V::add(sum, s[k]);
  }
  V::store(state.sums + row * V::lanes, sum);
  keep(s);
}

// Calls soften for rows [begin, end), row begin + i's scores at scores + i * stride; keep(i, weights).
template <class V, class Keep>
void soften_rows(const AttentionPiece& piece, State<V>& state, std::size_t begin, std::size_t end, std::size_t position,
                 const float* scores, std::size_t stride, Keep keep) {
  std::size_t token = begin / piece.group, head = begin % piece.group;
  for (std::size_t i = 0; begin + i < end; ++i, scores += stride) {
    soften<V>(piece, state, token, head, position, scores, [&](const auto& weights) { keep(i, weights); });
    if (++head == piece.group) {
      head = 0;
      ++token;
    }
  }
}
// The same where weights take the place of scores.
template <class V>
void soften_rows(const AttentionPiece& piece, State<V>& state, std::size_t begin, std::size_t end, std::size_t position,
                 float* scores, std::size_t stride) {
  soften_rows<V>(piece, state, begin, end, position, scores, stride, [=](std::size_t i, const auto& weights) {
    for (std::size_t k = 0; k < tile / V::lanes; ++k) V::store(scores + i * stride + k * V::lanes, weights[k]);
  });
}

// Calls body with the constant count, of 1, 2, 3 or 4, as a type.
template <std::size_t n>
struct Constant {
  static constexpr std::size_t value = n;
};
template <class Body>
void with_constant(std::size_t count, Body body) {
  switch (count) {
    case 1:
      return body(Constant<1>{});
    case 2:
      return body(Constant<2>{});
    case 3:
      return body(Constant<3>{});
    default:
      return body(Constant<4>{});
  }
}

// Calls body(first, constant count) for `count` things in nearly equal parts of at most `most` <= 4.
template <class Body>
void in_parts(std::size_t count, std::size_t most, Body body) {
  const std::size_t parts = (count + most - 1) / most;
  for (std::size_t i = 0; i < parts; ++i) {
    const std::size_t begin = count * i / parts, end = count * (i + 1) / parts;
    with_constant(end - begin, [=](auto constant) { body(begin, constant); });
  }
}

}  // namespace
}  // namespace hearth::kernels
