// Scales for weight = scale * value: a search over candidates, each refitted by least squares.
#pragma once

#include "tensor/encode/grids.h"

namespace hearth::tensor {
namespace {

// With r = x - scale * q, q the nearest value of the grid.
struct ScaleFit {
  Lanes error;   // sum of w r r
  Lanes slope;   // of w r q
  Lanes square;  // of w q q

  // The scale that is best for these q, and the error it would leave.
  float refit(int g, float scale) const { return square.at[g] > 0 ? scale + slope.at[g] / square.at[g] : scale; }
  float refit_error(int g) const {
    return square.at[g] > 0 ? error.at[g] - slope.at[g] * slope.at[g] / square.at[g] : error.at[g];
  }
};

template <class Grid, int group>
inline void measure(const Tile<group>& tile, const Lanes& scales, ScaleFit& fit) {
  for (int v = 0; v < lanes; v += vector_width) {
    const Vector scale = load(scales.at + v), zero{}, inverse = scale != zero ? 1 / scale : zero;
    Vector error{}, slope{}, square{};
    for (int i = 0; i < group; ++i) {
      const Vector x = load(tile.x[i] + v), w = load(tile.w[i] + v);
      const Vector q = Grid::nearest(x * inverse), r = x - scale * q, wr = w * r;
      error += wr * r;
      slope += wr * q;
      square += w * q * q;
    }
    store(fit.error.at + v, error);
    store(fit.slope.at + v, slope);
    store(fit.square.at + v, square);
  }
}

template <class Grid, int group>
inline Lanes error_of(const Tile<group>& tile, const Lanes& scales) {
  Lanes errors;
  for (int v = 0; v < lanes; v += vector_width) {
    const Vector scale = load(scales.at + v), zero{}, inverse = scale != zero ? 1 / scale : zero;
    Vector error{};
    for (int i = 0; i < group; ++i) {
      const Vector x = load(tile.x[i] + v), w = load(tile.w[i] + v);
      const Vector r = x - scale * Grid::nearest(x * inverse);
      error += w * r * r;
    }
    store(errors.at + v, error);
  }
  return errors;
}

// The code of each weight, group after group.
template <class Grid, int group>
inline void codes_of(const Tile<group>& tile, const Lanes& scales, std::uint8_t* codes) {
  for (int v = 0; v < lanes; v += vector_width) {
    const Vector scale = load(scales.at + v), zero{}, inverse = scale != zero ? 1 / scale : zero;
    for (int i = 0; i < group; ++i) {
      float q[vector_width];
      store(q, Grid::nearest(load(tile.x[i] + v) * inverse));
      for (int g = 0; g < vector_width; ++g) codes[(v + g) * group + i] = Grid::code(q[g]);
    }
  }
}

// The weight of largest magnitude, with its sign.
template <int group>
inline Lanes largest_of(const Tile<group>& tile) {
  Lanes result;
  for (int v = 0; v < lanes; v += vector_width) {
    Vector high{}, low{};
    for (int i = 0; i < group; ++i) {
      const Vector x = load(tile.x[i] + v);
      high = x > high ? x : high;
      low = x < low ? x : low;
    }
    store(result.at + v, high > -low ? high : low);
  }
  return result;
}

// Which value of the grid the largest weight may come to lie on; beyond the grid's end, it is cut off there.
struct Landing {
  const float* places;
  int count;
};

// The best real scale of each group.
template <class Grid, int group>
inline Lanes search_scales(const Tile<group>& tile, Landing landing, int refits) {
  const Lanes largest = largest_of(tile);
  Lanes best{}, best_error, trial;
  ScaleFit fit;
  for (float& error : best_error.at) error = 3.4e38f;
  for (int c = 0; c < landing.count; ++c) {
    for (int g = 0; g < lanes; ++g) trial.at[g] = largest.at[g] / landing.places[c];
    measure<Grid>(tile, trial, fit);
    for (int g = 0; g < lanes; ++g) {
      const float error = fit.refit_error(g), scale = fit.refit(g, trial.at[g]);
      best.at[g] = error < best_error.at[g] ? scale : best.at[g];
      best_error.at[g] = error < best_error.at[g] ? error : best_error.at[g];
    }
  }
  for (int round = 0; round < refits; ++round) {
    measure<Grid>(tile, best, fit);
    for (int g = 0; g < lanes; ++g) best.at[g] = fit.refit(g, best.at[g]);
  }
  return best;
}

// The same scales in half precision: the nearest, or the neighbour that leaves less.
template <class Grid, int group>
inline Lanes search_halves(const Tile<group>& tile, const Lanes& scales) {
  Lanes best, best_error, trial;
  for (int g = 0; g < lanes; ++g) best.at[g] = to_half(scales.at[g]);
  best_error = error_of<Grid>(tile, best);
  for (int step = -1; step <= 1; step += 2) {
    for (int g = 0; g < lanes; ++g) {
      const std::uint16_t bits = half_bits(scales.at[g]);
      const bool movable = (bits & 0x7fff) > 0 && (bits & 0x7fff) < 0x7bff;
      trial.at[g] = half_to_float(static_cast<std::uint16_t>(movable ? bits + step : bits));
    }
    const Lanes error = error_of<Grid>(tile, trial);
    for (int g = 0; g < lanes; ++g) {
      best.at[g] = error.at[g] < best_error.at[g] ? trial.at[g] : best.at[g];
      best_error.at[g] = error.at[g] < best_error.at[g] ? error.at[g] : best_error.at[g];
    }
  }
  return best;
}

// Scales of groups in whole multiples of their block's step.
struct SteppedScales {
  Lanes step;    // half precision, alike in a block
  Lanes count;   // of each group, in [low, high]
  Lanes scales;  // step * count
};

// Divides `scales` by steps such that the largest of a block comes to lie on a candidate place; improves counts and
// steps in turns.
template <class Grid, int block_lanes, int group>
inline SteppedScales search_steps(const Tile<group>& tile, const Lanes& scales, float low, float high, int rounds) {
  SteppedScales best{}, trial;
  Lanes best_error;
  for (float& error : best_error.at) error = 3.4e38f;
  const auto keep_better = [&](const Lanes& group_error) {
    const Lanes error = block_sum<block_lanes>(group_error);
    for (int g = 0; g < lanes; ++g) {
      if (!(error.at[g] < best_error.at[g])) continue;
      best_error.at[g] = error.at[g];
      best.step.at[g] = trial.step.at[g];
      best.count.at[g] = trial.count.at[g];
      best.scales.at[g] = trial.scales.at[g];
    }
  };
  const auto multiply = [&] {
    for (int g = 0; g < lanes; ++g) trial.scales.at[g] = trial.step.at[g] * trial.count.at[g];
  };

  Lanes largest;
  for (int first = 0; first < lanes; first += block_lanes) {
    float most = 0;
    for (int g = first; g < first + block_lanes; ++g)
      most = scales.at[g] * scales.at[g] > most * most ? scales.at[g] : most;
    for (int g = first; g < first + block_lanes; ++g) largest.at[g] = most;
  }
  const float places[] = {low, high, low + 1, low - 1.5f, low * 0.97f + 0.5f, low * 0.9f, high * 0.9f, low * 0.8f};
  for (const float place : places) {
    for (int g = 0; g < lanes; ++g) {
      trial.step.at[g] = to_half(largest.at[g] / place);
      const float inverse = trial.step.at[g] != 0 ? 1 / trial.step.at[g] : 0;
      trial.count.at[g] = round(clamp(scales.at[g] * inverse, low, high));
    }
    multiply();
    keep_better(error_of<Grid>(tile, trial.scales));
  }
  ScaleFit fit;
  for (int turn = 0; turn < rounds; ++turn) {
    trial = best;
    Lanes error = error_of<Grid>(tile, trial.scales);
    const Lanes centre = trial.count;
    for (float move = -1; move <= 1; move += 2) {
      Lanes moved;
      for (int g = 0; g < lanes; ++g) moved.at[g] = trial.step.at[g] * clamp(centre.at[g] + move, low, high);
      const Lanes moved_error = error_of<Grid>(tile, moved);
      for (int g = 0; g < lanes; ++g) {
        if (!(moved_error.at[g] < error.at[g])) continue;
        error.at[g] = moved_error.at[g];
        trial.count.at[g] = clamp(centre.at[g] + move, low, high);
      }
    }
    multiply();
    keep_better(error);
    measure<Grid>(tile, trial.scales, fit);
    Lanes slope, square;
    for (int g = 0; g < lanes; ++g) {
      slope.at[g] = trial.count.at[g] * fit.slope.at[g];
      square.at[g] = trial.count.at[g] * trial.count.at[g] * fit.square.at[g];
    }
    slope = block_sum<block_lanes>(slope);
    square = block_sum<block_lanes>(square);
    for (int g = 0; g < lanes; ++g)
      if (square.at[g] > 0) trial.step.at[g] = to_half(trial.step.at[g] + slope.at[g] / square.at[g]);
    multiply();
    keep_better(error_of<Grid>(tile, trial.scales));
  }
  return best;
}

}  // namespace
}  // namespace hearth::tensor
