#include "ops/norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "levels.h"

namespace hearth::ops {
namespace {

using Floats = std::vector<float>;

Floats random_floats(std::size_t count, unsigned seed, float mean = 0) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(mean, 1);
  Floats values(count);
  for (float& v : values) v = normal(random);
  return values;
}

std::vector<double> normalised(const float* x, std::size_t width, bool centered, double epsilon, const float* weight,
                               const float* bias) {
  double mean = 0, squares = 0;
  if (centered)
    for (std::size_t i = 0; i < width; ++i) mean += x[i] / double(width);
  for (std::size_t i = 0; i < width; ++i) squares += (x[i] - mean) * (x[i] - mean);
  std::vector<double> y(width);
  for (std::size_t i = 0; i < width; ++i)
    y[i] =
        (x[i] - mean) / std::sqrt(squares / double(width) + epsilon) * (weight ? weight[i] : 1) + (bias ? bias[i] : 0);
  return y;
}

// Odd widths have part vectors at their ends; 70000 shows how sums of many squares round.
constexpr std::size_t widths[] = {1, 3, 15, 17, 64, 100, 576, 1000, 70000};

TEST(Norm, rms) {
  ThreadPool pool(2);
  tests::on_every_level([&] {
    for (const std::size_t width : widths)
      for (const bool weighted : {true, false}) {
        const Floats x = random_floats(3 * width, 1), weight = random_floats(width, 2);
        Floats y(3 * width);
        rms_norm(pool, {x.data(), 3, width, width}, weighted ? weight.data() : nullptr, 1e-5f,
                 {y.data(), 3, width, width});
        for (std::size_t row = 0; row < 3; ++row) {
          const auto want =
              normalised(&x[row * width], width, false, 1e-5f, weighted ? weight.data() : nullptr, nullptr);
          for (std::size_t i = 0; i < width; ++i)
            ASSERT_NEAR(y[row * width + i], want[i], 5e-7 * std::abs(want[i])) << width << ' ' << i;
        }
      }
  });
}

TEST(Norm, layer) {
  ThreadPool pool(2);
  tests::on_every_level([&] {
    for (const std::size_t width : widths)
      for (const bool weighted : {true, false}) {
        const Floats x = random_floats(2 * width, 1, 3), weight = random_floats(width, 2),
                     bias = random_floats(width, 3);
        const float *w = weighted ? weight.data() : nullptr, *b = weighted ? bias.data() : nullptr;
        Floats y(2 * width);
        layer_norm(pool, {x.data(), 2, width, width}, w, b, 1e-3f, {y.data(), 2, width, width});
        for (std::size_t row = 0; row < 2; ++row) {
          const auto want = normalised(&x[row * width], width, true, 1e-3f, w, b);
          for (std::size_t i = 0; i < width; ++i) ASSERT_NEAR(y[row * width + i], want[i], 1e-5) << width << ' ' << i;
        }
      }
  });
}

TEST(Norm, in_place_and_strided) {
  ThreadPool pool(1);
  tests::on_every_level([&] {
    Floats x = random_floats(2 * 50, 1);
    const Floats before = x;
    rms_norm(pool, {x.data(), 2, 40, 50}, nullptr, 1e-6f, {x.data(), 2, 40, 50});
    for (std::size_t row = 0; row < 2; ++row) {
      const auto want = normalised(&before[row * 50], 40, false, 1e-6f, nullptr, nullptr);
      for (std::size_t i = 0; i < 40; ++i) EXPECT_NEAR(x[row * 50 + i], want[i], 1e-6);
      for (std::size_t i = 40; i < 50; ++i) EXPECT_EQ(x[row * 50 + i], before[row * 50 + i]);
    }
  });
}

TEST(Norm, each_head_by_itself) {
  ThreadPool pool(2);
  tests::on_every_level([&] {
    Floats x = random_floats(2 * 3 * 20, 1);
    const Floats before = x, weight = random_floats(20, 2);
    rms_norm_heads(pool, {x.data(), 2, 60, 60}, 3, weight.data(), 1e-6f);
    for (std::size_t head = 0; head < 6; ++head) {
      const auto want = normalised(&before[head * 20], 20, false, 1e-6f, weight.data(), nullptr);
      for (std::size_t i = 0; i < 20; ++i) EXPECT_NEAR(x[head * 20 + i], want[i], 1e-6);
    }
  });
}

TEST(Norm, zeros_stay_zero) {
  ThreadPool pool(1);
  tests::on_every_level([&] {
    Floats x(33, 0.0f);
    rms_norm(pool, {x.data(), 1, 33, 33}, nullptr, 1e-6f, {x.data(), 1, 33, 33});
    EXPECT_EQ(x, Floats(33, 0.0f));
  });
}

TEST(Norm, is_the_same_for_any_number_of_threads) {
  const Floats x = random_floats(61 * 576, 1);
  Floats want(x.size());
  ThreadPool one(1);
  rms_norm(one, {x.data(), 61, 576, 576}, nullptr, 1e-6f, {want.data(), 61, 576, 576});
  for (const std::size_t threads : {2, 3, 8}) {
    ThreadPool pool(threads);
    Floats y(x.size());
    rms_norm(pool, {x.data(), 61, 576, 576}, nullptr, 1e-6f, {y.data(), 61, 576, 576});
    EXPECT_EQ(y, want);
  }
}

}  // namespace
}  // namespace hearth::ops
