// Scales and minimums for weight = scale * q + minimum, q in [0, top]: candidates, each refitted by least squares.
#pragma once

#include "tensor/encode/lanes.h"

namespace hearth::tensor {
namespace {

struct Affine {
  Lanes scale, minimum;
};

// With r = x - scale * q - minimum, q the nearest integer in range.
struct AffineFit {
  Lanes error;                // sum of w r r
  Lanes slope, offset;        // of w r q, of w r
  Lanes square, first, zero;  // of w q q, w q, w
};

template <int top, int group>
inline void measure(const Tile<group>& tile, const Affine& at, AffineFit& fit) {
  for (int v = 0; v < lanes; v += vector_width) {
    const Vector scale = load(at.scale.at + v), minimum = load(at.minimum.at + v), none{},
                 inverse = scale != none ? 1 / scale : none;
    Vector error{}, slope{}, offset{}, square{}, first{}, zero{};
    for (int i = 0; i < group; ++i) {
      const Vector x = load(tile.x[i] + v) - minimum, w = load(tile.w[i] + v);
      const Vector q = round(clamp(x * inverse, 0, top)), r = x - scale * q, wr = w * r, wq = w * q;
      error += wr * r;
      slope += wr * q;
      offset += wr;
      square += wq * q;
      first += wq;
      zero += w;
    }
    store(fit.error.at + v, error);
    store(fit.slope.at + v, slope);
    store(fit.offset.at + v, offset);
    store(fit.square.at + v, square);
    store(fit.first.at + v, first);
    store(fit.zero.at + v, zero);
  }
}

template <int top, int group>
inline Lanes error_of(const Tile<group>& tile, const Affine& at) {
  Lanes errors;
  for (int v = 0; v < lanes; v += vector_width) {
    const Vector scale = load(at.scale.at + v), minimum = load(at.minimum.at + v), none{},
                 inverse = scale != none ? 1 / scale : none;
    Vector error{};
    for (int i = 0; i < group; ++i) {
      const Vector x = load(tile.x[i] + v) - minimum, w = load(tile.w[i] + v);
      const Vector r = x - scale * round(clamp(x * inverse, 0, top));
      error += w * r * r;
    }
    store(errors.at + v, error);
  }
  return errors;
}

template <int top, int group>
inline void codes_of(const Tile<group>& tile, const Affine& at, std::uint8_t* codes) {
  for (int v = 0; v < lanes; v += vector_width) {
    const Vector scale = load(at.scale.at + v), minimum = load(at.minimum.at + v), none{},
                 inverse = scale != none ? 1 / scale : none;
    for (int i = 0; i < group; ++i) {
      float q[vector_width];
      store(q, round(clamp((load(tile.x[i] + v) - minimum) * inverse, 0, top)));
      for (int g = 0; g < vector_width; ++g) codes[(v + g) * group + i] = static_cast<std::uint8_t>(int(q[g]));
    }
  }
}

// What is best for these q, with the error it would leave. `below_zero`: the minimum may not be positive.
struct Refit {
  float scale, minimum, error;
};
inline Refit refit(const AffineFit& fit, const Affine& at, int g, bool below_zero) {
  const float a = fit.slope.at[g], b = fit.offset.at[g], c = fit.square.at[g], d = fit.first.at[g], e = fit.zero.at[g];
  const float scale = at.scale.at[g], minimum = at.minimum.at[g];
  const float determinant = c * e - d * d;
  const bool solvable = determinant > 1e-6f * c * e;
  float ds = solvable ? (a * e - b * d) / determinant : 0, dm = solvable ? (b * c - a * d) / determinant : 0;
  if (below_zero && minimum + dm > 0) {
    dm = -minimum;
    ds = c > 0 ? (a - dm * d) / c : 0;
  }
  if (!(scale + ds > 0)) return {scale, minimum, fit.error.at[g]};
  const float error = fit.error.at[g] - 2 * (ds * a + dm * b) + ds * ds * c + 2 * ds * dm * d + dm * dm * e;
  return {scale + ds, minimum + dm, error};
}

// The best real scale and minimum of each group. `below_zero`: no minimum above zero; `thorough`: from more candidates.
template <int top, int group>
inline Affine search_affine(const Tile<group>& tile, bool below_zero, bool thorough, int refits) {
  Lanes low, high;
  for (int v = 0; v < lanes; v += vector_width) {
    Vector least = load(tile.x[0] + v), most = least;
    for (int i = 1; i < group; ++i) {
      const Vector x = load(tile.x[i] + v);
      least = x < least ? x : least;
      most = x > most ? x : most;
    }
    store(low.at + v, least);
    store(high.at + v, most);
  }
  if (below_zero)
    for (int g = 0; g < lanes; ++g) {
      low.at[g] = low.at[g] < 0 ? low.at[g] : 0;
      high.at[g] = high.at[g] > low.at[g] ? high.at[g] : low.at[g];
    }

  Affine best, trial;
  Lanes best_error;
  AffineFit fit;
  for (int g = 0; g < lanes; ++g) {
    best.scale.at[g] = 0;
    best.minimum.at[g] = low.at[g];
    best_error.at[g] = 3.4e38f;
  }
  const auto try_one = [&] {
    measure<top>(tile, trial, fit);
    for (int g = 0; g < lanes; ++g) {
      const Refit one = refit(fit, trial, g, below_zero);
      const bool better = one.error < best_error.at[g];
      best.scale.at[g] = better ? one.scale : best.scale.at[g];
      best.minimum.at[g] = better ? one.minimum : best.minimum.at[g];
      best_error.at[g] = better ? one.error : best_error.at[g];
    }
  };
  // Both ends moved inwards by fractions of a step: what lies beyond is cut off there.
  constexpr float unit = top <= 3 ? 0.18f : top <= 15 ? 0.4f : 0.6f;
  constexpr float insets[] = {0, 2 * unit, unit, -0.5f * unit, 3.2f * unit};
  const int tried = thorough ? 5 : 3;
  for (int under = 0; under < tried; ++under)
    for (int over = 0; over < tried; ++over) {
      for (int g = 0; g < lanes; ++g) {
        const float step = (high.at[g] - low.at[g]) / top;
        const float minimum = low.at[g] + insets[under] * step;
        trial.scale.at[g] = (high.at[g] - insets[over] * step - minimum) / top;
        trial.minimum.at[g] = below_zero && minimum > 0 ? 0 : minimum;
      }
      try_one();
    }
  // The whole range on fewer steps: weights that lie on a coarser grid already.
  for (int steps = thorough ? top - 1 : top / 2; steps >= top / 2; --steps) {
    for (int g = 0; g < lanes; ++g) {
      trial.scale.at[g] = (high.at[g] - low.at[g]) / float(steps);
      trial.minimum.at[g] = low.at[g];
    }
    try_one();
  }
  for (int round = 0; round < refits; ++round) {
    measure<top>(tile, best, fit);
    for (int g = 0; g < lanes; ++g) {
      const Refit one = refit(fit, best, g, below_zero);
      best.scale.at[g] = one.scale;
      best.minimum.at[g] = one.minimum;
    }
  }
  return best;
}

// Both in half precision: the minimum refitted to the rounded scale; neighbours of both are tried.
template <int top, int group>
inline Affine search_halves(const Tile<group>& tile, const Affine& real) {
  Affine best, trial;
  Lanes best_error;
  for (float& error : best_error.at) error = 3.4e38f;
  AffineFit fit;
  const auto neighbour = [](float x, int step) {
    const std::uint16_t bits = half_bits(x);
    const bool movable = (bits & 0x7fff) > 0 && (bits & 0x7fff) < 0x7bff;
    return half_to_float(static_cast<std::uint16_t>(movable ? bits + step : bits));
  };
  for (int step = -1; step <= 1; ++step) {
    for (int g = 0; g < lanes; ++g) {
      trial.scale.at[g] = neighbour(real.scale.at[g], step);
      trial.minimum.at[g] = real.minimum.at[g];
    }
    measure<top>(tile, trial, fit);
    for (int g = 0; g < lanes; ++g)
      trial.minimum.at[g] = to_half(trial.minimum.at[g] + (fit.zero.at[g] > 0 ? fit.offset.at[g] / fit.zero.at[g] : 0));
    const Affine centre = trial;
    for (int shift = -1; shift <= 1; ++shift) {
      for (int g = 0; g < lanes; ++g) trial.minimum.at[g] = neighbour(centre.minimum.at[g], shift);
      const Lanes error = error_of<top>(tile, trial);
      for (int g = 0; g < lanes; ++g) {
        const bool better = error.at[g] < best_error.at[g];
        best.scale.at[g] = better ? trial.scale.at[g] : best.scale.at[g];
        best.minimum.at[g] = better ? trial.minimum.at[g] : best.minimum.at[g];
        best_error.at[g] = better ? error.at[g] : best_error.at[g];
      }
    }
  }
  return best;
}

// Scales and minimums in whole multiples of their block's steps: scale = step * count, minimum = -drop * drops.
struct SteppedAffine {
  Lanes step, drop;    // half precision, alike in a block
  Lanes count, drops;  // of each group, in [0, highest]

  Affine values() const {
    Affine result;
    for (int g = 0; g < lanes; ++g) {
      result.scale.at[g] = step.at[g] * count.at[g];
      result.minimum.at[g] = -drop.at[g] * drops.at[g];
    }
    return result;
  }
};

// Improves counts, drops and steps in turns, from several first steps.
template <int top, int block_lanes, int group>
class AffineSteps {
 public:
  AffineSteps(const Tile<group>& tile, const Affine& real, float highest)
      : tile_(tile), real_(real), highest_(highest) {
    for (float& error : best_error_.at) error = 3.4e38f;
  }

  SteppedAffine search(int rounds) {
    const Lanes scale = block_largest(real_.scale, 1), drop = block_largest(real_.minimum, -1);
    const float places[] = {highest_, highest_ - 1, highest_ * 0.9f}, drop_places[] = {highest_, highest_ * 0.93f};
    for (int i = 0; i < (top > 3 ? 2 : 3); ++i)
      for (int j = 0; j < (top > 3 ? 1 : 2); ++j) {
        const float place = places[i], drop_place = drop_places[j];
        for (int g = 0; g < lanes; ++g) {
          trial_.step.at[g] = to_half(scale.at[g] / place);
          trial_.drop.at[g] = to_half(drop.at[g] / drop_place);
          trial_.count.at[g] = to_count(real_.scale.at[g], trial_.step.at[g]);
        }
        fit_drops();
        keep_better(error_of<top>(tile_, trial_.values()));
      }
    for (int round = 0; round < rounds; ++round) {
      trial_ = best_;
      move_counts();
      fit_steps();
    }
    return best_;
  }

 private:
  static Lanes block_largest(const Lanes& x, float sign) {
    Lanes result;
    for (int first = 0; first < lanes; first += block_lanes) {
      float most = 0;
      for (int g = first; g < first + block_lanes; ++g) most = sign * x.at[g] > most ? sign * x.at[g] : most;
      for (int g = first; g < first + block_lanes; ++g) result.at[g] = most;
    }
    return result;
  }
  float to_count(float value, float step) const { return step > 0 ? round(clamp(value / step, 0, highest_)) : 0; }

  void keep_better(const Lanes& group_error) {
    const Lanes error = block_sum<block_lanes>(group_error);
    for (int g = 0; g < lanes; ++g) {
      if (!(error.at[g] < best_error_.at[g])) continue;
      best_error_.at[g] = error.at[g];
      best_.step.at[g] = trial_.step.at[g];
      best_.drop.at[g] = trial_.drop.at[g];
      best_.count.at[g] = trial_.count.at[g];
      best_.drops.at[g] = trial_.drops.at[g];
    }
  }

  // The drops that suit the counts.
  void fit_drops() {
    Affine at = trial_.values();
    at.minimum = real_.minimum;
    measure<top>(tile_, at, fit_);
    for (int g = 0; g < lanes; ++g) {
      const float shift = fit_.zero.at[g] > 0 ? fit_.offset.at[g] / fit_.zero.at[g] : 0;
      trial_.drops.at[g] = to_count(-(at.minimum.at[g] + shift), trial_.drop.at[g]);
    }
  }

  // Each group goes to the best of its neighbours.
  void move_counts() {
    const SteppedAffine centre = trial_;
    Lanes error = error_of<top>(tile_, centre.values());
    constexpr int reach = top <= 3 ? 2 : 1;
    for (int up = -reach; up <= reach; ++up)
      for (int down = -reach; down <= reach; ++down) {
        if (top > 3 ? (up == 0) == (down == 0) : up == 0 && down == 0) continue;
        SteppedAffine moved = centre;
        for (int g = 0; g < lanes; ++g) {
          moved.count.at[g] = clamp(centre.count.at[g] + float(up), 0, highest_);
          moved.drops.at[g] = clamp(centre.drops.at[g] + float(down), 0, highest_);
        }
        const Lanes moved_error = error_of<top>(tile_, moved.values());
        for (int g = 0; g < lanes; ++g) {
          const bool better = moved_error.at[g] < error.at[g];
          error.at[g] = better ? moved_error.at[g] : error.at[g];
          trial_.count.at[g] = better ? moved.count.at[g] : trial_.count.at[g];
          trial_.drops.at[g] = better ? moved.drops.at[g] : trial_.drops.at[g];
        }
      }
    keep_better(error);
  }

  // Least squares over the whole block for both steps.
  void fit_steps() {
    measure<top>(tile_, trial_.values(), fit_);
    Lanes a, b, c, d, e;
    for (int g = 0; g < lanes; ++g) {
      const float l = trial_.count.at[g], m = -trial_.drops.at[g];
      a.at[g] = l * fit_.slope.at[g];
      b.at[g] = m * fit_.offset.at[g];
      c.at[g] = l * l * fit_.square.at[g];
      d.at[g] = l * m * fit_.first.at[g];
      e.at[g] = m * m * fit_.zero.at[g];
    }
    Lanes* const sums[] = {&a, &b, &c, &d, &e};
    for (Lanes* sum : sums) *sum = block_sum<block_lanes>(*sum);
    for (int g = 0; g < lanes; ++g) {
      const float determinant = c.at[g] * e.at[g] - d.at[g] * d.at[g];
      const bool both = determinant > 1e-6f * c.at[g] * e.at[g];
      const float step = both          ? (a.at[g] * e.at[g] - b.at[g] * d.at[g]) / determinant
                         : c.at[g] > 0 ? a.at[g] / c.at[g]
                                       : 0;
      const float drop = both ? (b.at[g] * c.at[g] - a.at[g] * d.at[g]) / determinant : 0;
      trial_.step.at[g] = to_half(trial_.step.at[g] + step);
      trial_.drop.at[g] = to_half(trial_.drop.at[g] + drop);
    }
    keep_better(error_of<top>(tile_, trial_.values()));
  }

  const Tile<group>& tile_;
  const Affine& real_;
  float highest_;
  SteppedAffine best_{}, trial_{};
  Lanes best_error_;
  AffineFit fit_;
};

}  // namespace
}  // namespace hearth::tensor
