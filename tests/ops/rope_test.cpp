#include "ops/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "base/error.h"
#include "levels.h"

namespace hearth::ops {
namespace {

using Floats = std::vector<float>;
using Positions = std::vector<std::int32_t>;

Floats random_floats(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 1);
  Floats values(count);
  for (float& v : values) v = normal(random);
  return values;
}

constexpr std::size_t heads = 3;

// Angle and size of pair i at a position, by the formulas of the papers.
struct Turn {
  double angle, size;
};
Turn turn(const RopeOptions& o, std::size_t i, double position) {
  const double d = double(o.dimensions);
  double own = position * std::pow(double(o.frequency_base), -2.0 * double(i) / d);
  if (!o.frequency_factors.empty()) own /= o.frequency_factors[i];
  if (o.scaling == RopeScaling::none) return {own, 1};
  const double interpolated = own / o.factor;
  if (o.scaling == RopeScaling::linear) return {interpolated, 1};
  if (o.extension_factor == 0) return {interpolated, o.attention_factor};
  const auto pair = [&](double rotations) {
    return d * std::log(o.original_context / (rotations * 2 * M_PI)) / (2 * std::log(double(o.frequency_base)));
  };
  const double low = std::max(0.0, std::floor(pair(o.beta_fast))), high = std::min(d - 1, std::ceil(pair(o.beta_slow)));
  const double ramp = std::min(1.0, std::max(0.0, (double(i) - low) / std::max(0.001, high - low)));
  const double own_share = (1 - ramp) * o.extension_factor;
  return {interpolated * (1 - own_share) + own * own_share, o.attention_factor * (0.1 * std::log(o.factor) + 1)};
}

std::vector<double> by_definition(const RopeOptions& o, const Floats& x, std::size_t width,
                                  const Positions& positions) {
  std::vector<double> y(x.begin(), x.end());
  for (std::size_t row = 0; row < positions.size(); ++row)
    for (std::size_t head = 0; head < heads; ++head)
      for (std::size_t i = 0; i < o.dimensions / 2; ++i) {
        const std::size_t start = (row * heads + head) * width;
        const std::size_t a = start + (o.pairs_adjacent ? 2 * i : i),
                          b = o.pairs_adjacent ? a + 1 : a + o.dimensions / 2;
        const auto [angle, size] = turn(o, i, positions[row]);
        y[a] = size * (x[a] * std::cos(angle) - x[b] * std::sin(angle));
        y[b] = size * (x[a] * std::sin(angle) + x[b] * std::cos(angle));
      }
  return y;
}

void check(RopeOptions options, std::size_t width) {
  ThreadPool pool(2);
  const Positions positions = {0, 1, 2, 17, 100, 4095, 131071, 1000000};
  const Floats x = random_floats(positions.size() * heads * width, 1);
  for (const bool pairs_adjacent : {false, true}) {
    options.pairs_adjacent = pairs_adjacent;
    const auto want = by_definition(options, x, width, positions);
    tests::on_every_level([&] {
      Floats y = x;
      Rope(options).forward(pool, {y.data(), positions.size(), heads * width, heads * width}, heads, positions);
      for (std::size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], want[i], 2e-6) << i;
    });
  }
}

TEST(Rope, any_width) {
  for (const std::size_t width : {2, 8, 40, 64, 80, 100, 256}) check({.dimensions = width}, width);
}
TEST(Rope, part_of_a_head) {
  check({.dimensions = 32}, 80);
}
TEST(Rope, another_base) {
  check({.dimensions = 64, .frequency_base = 1e6f}, 64);
}
TEST(Rope, linear_scaling) {
  check({.dimensions = 64, .scaling = RopeScaling::linear, .factor = 4}, 64);
}
TEST(Rope, frequency_factors) {
  Floats factors(32);
  for (std::size_t i = 0; i < 32; ++i) factors[i] = 1 + 7 * float(i) / 31;
  check({.dimensions = 64, .frequency_base = 500000, .frequency_factors = factors}, 64);
}
TEST(Rope, yarn) {
  check({.dimensions = 128, .scaling = RopeScaling::yarn, .factor = 4, .original_context = 32768}, 128);
  check({.dimensions = 64,
         .scaling = RopeScaling::yarn,
         .factor = 16,
         .original_context = 4096,
         .extension_factor = 0.5f,
         .attention_factor = 0.8f,
         .beta_fast = 16,
         .beta_slow = 2},
        64);
  check({.dimensions = 64,
         .scaling = RopeScaling::yarn,
         .factor = 8,
         .original_context = 2048,
         .extension_factor = 0,
         .attention_factor = 1.1f},
        64);
}

TEST(Rope, yarn_keeps_fast_pairs_and_stretches_slow_ones) {
  ThreadPool pool(1);
  const RopeOptions stretched{.dimensions = 64, .scaling = RopeScaling::yarn, .factor = 8, .original_context = 4096};
  const Positions positions = {10};
  Floats unit(64, 0.0f);
  for (std::size_t i = 0; i < 32; ++i) unit[i] = 1;  // first of each pair: the result is its cosine and sine
  Rope(stretched).forward(pool, {unit.data(), 1, 64, 64}, 1, positions);
  const auto angle = [&](std::size_t i) { return std::atan2(unit[32 + i], unit[i]); };
  EXPECT_NEAR(angle(1), 10 * std::pow(10000, -1 / 32.0) - 2 * M_PI, 1e-5);
  EXPECT_NEAR(angle(31), 10 * std::pow(10000, -31 / 32.0) / 8, 1e-8);
  EXPECT_NEAR(std::hypot(unit[0], unit[32]), 1 + 0.1 * std::log(8), 1e-6);
}

// d/dx of sum(dy * forward(x)) is backward(dy).
TEST(Rope, gradient_by_finite_differences) {
  ThreadPool pool(2);
  const Positions positions = {3, 700};
  for (const bool pairs_adjacent : {false, true}) {
    const Rope rope({.dimensions = 20,
                     .pairs_adjacent = pairs_adjacent,
                     .scaling = RopeScaling::yarn,
                     .factor = 4,
                     .original_context = 512});
    tests::on_every_level([&] {
      const Floats x = random_floats(2 * heads * 24, 1), dy = random_floats(x.size(), 2);
      const auto loss = [&](Floats at) {
        rope.forward(pool, {at.data(), 2, heads * 24, heads * 24}, heads, positions);
        double sum = 0;
        for (std::size_t i = 0; i < at.size(); ++i) sum += double(at[i]) * dy[i];
        return sum;
      };
      Floats dx = dy;
      rope.backward(pool, {dx.data(), 2, heads * 24, heads * 24}, heads, positions);
      for (std::size_t i = 0; i < x.size(); ++i) {
        Floats more = x, less = x;
        more[i] += 0.5f;
        less[i] -= 0.5f;
        ASSERT_NEAR(dx[i], loss(more) - loss(less), 1e-5);  // linear: any step will do
      }
    });
  }
}

TEST(Rope, is_the_same_for_any_number_of_threads) {
  Positions positions(50);
  for (std::size_t i = 0; i < 50; ++i) positions[i] = std::int32_t(i * 3);
  const Rope rope({.dimensions = 64});
  const Floats x = random_floats(50 * heads * 64, 1);
  Floats want = x;
  ThreadPool one(1);
  rope.forward(one, {want.data(), 50, heads * 64, heads * 64}, heads, positions);
  for (const std::size_t threads : {2, 3, 8}) {
    ThreadPool pool(threads);
    Floats y = x;
    rope.forward(pool, {y.data(), 50, heads * 64, heads * 64}, heads, positions);
    EXPECT_EQ(y, want);
  }
}

TEST(Rope, refuses_odd_dimensions) {
  EXPECT_THROW(Rope({.dimensions = 63}), Error);
}

}  // namespace
}  // namespace hearth::ops
