#include "ops/activation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "levels.h"

namespace hearth::ops {
namespace {

using Floats = std::vector<float>;

double by_definition(Activation f, double x) {
  switch (f) {
    case Activation::silu:
      return x / (1 + std::exp(-x));
    case Activation::gelu_tanh:
      return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::gelu_erf:
      return x / 2 * std::erfc(-x / std::sqrt(2));
    case Activation::relu:
      return x > 0 ? x : 0;
    case Activation::relu_squared:
      return x > 0 ? x * x : 0;
  }
  return 0;
}
constexpr Activation all[] = {Activation::silu, Activation::gelu_tanh, Activation::gelu_erf, Activation::relu,
                              Activation::relu_squared};

// Dense around zero, and out to where exponentials vanish or overflow; 1003 is no multiple of a vector.
Floats arguments() {
  Floats x;
  for (int i = 0; i < 901; ++i) x.push_back(float(i - 450) / 30);
  for (int i = 0; i < 102; ++i) x.push_back(float(i - 51) * 4);
  return x;
}

TEST(Activation, follows_its_definition) {
  ThreadPool pool(1);
  const Floats x = arguments();
  tests::on_every_level([&] {
    for (const Activation f : all) {
      Floats y = x;
      activate(pool, f, {y.data(), 1, y.size(), y.size()});
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double want = by_definition(f, x[i]);
        // gelu_tanh's tail multiplies an exponent's rounding; it is far below anything that counts.
        ASSERT_NEAR(y[i], want, 1e-6 * std::abs(want) + 1e-7 * std::exp(-std::abs(x[i])) + 1e-35)
            << int(f) << " of " << x[i];
      }
    }
  });
}

TEST(Activation, gated) {
  ThreadPool pool(2);
  const Floats x = arguments();
  tests::on_every_level([&] {
    for (const Activation f : all) {
      Floats plain = x, gate = x, up(x.size());
      for (std::size_t i = 0; i < x.size(); ++i) up[i] = float(i % 7) - 3;
      activate(pool, f, {plain.data(), 17, 59, 59});
      activate_gated(pool, f, {gate.data(), 17, 59, 59}, {up.data(), 17, 59, 59});
      for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(gate[i], plain[i] * up[i]);
    }
  });
}

TEST(Activation, add_and_scale) {
  ThreadPool pool(2);
  tests::on_every_level([&] {
    Floats y(2 * 21, 1.0f), x(2 * 19);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = float(i);
    add(pool, {y.data(), 2, 19, 21}, {x.data(), 2, 19, 19}, 0.5f);
    scale(pool, {y.data(), 2, 19, 21}, 4);
    for (std::size_t row = 0; row < 2; ++row)
      for (std::size_t i = 0; i < 21; ++i) EXPECT_EQ(y[row * 21 + i], i < 19 ? 4 + 2 * float(row * 19 + i) : 1);
  });
}

TEST(Activation, softcap) {
  ThreadPool pool(1);
  const Floats x = arguments();
  tests::on_every_level([&] {
    Floats y = x;
    softcap(pool, {y.data(), 1, y.size(), y.size()}, 30);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double want = 30 * std::tanh(x[i] / 30.0);
      ASSERT_NEAR(y[i], want, 4e-7 * std::abs(want)) << x[i];
    }
  });
}

TEST(Activation, softmax_and_its_logarithm) {
  ThreadPool pool(2);
  tests::on_every_level([&] {
    for (const std::size_t width : {1, 5, 16, 1003})
      for (const float spread : {1.0f, 400.0f}) {
        Floats x(2 * width);
        for (std::size_t i = 0; i < x.size(); ++i) x[i] = spread * float(std::sin(double(i * i)));
        const Floats before = x;
        Floats logs = x;
        softmax(pool, {x.data(), 2, width, width});
        log_softmax(pool, {logs.data(), 2, width, width});
        for (std::size_t row = 0; row < 2; ++row) {
          const float* const logits = &before[row * width];
          double sum = 0, largest = *std::max_element(logits, logits + width);
          for (std::size_t i = 0; i < width; ++i) sum += std::exp(logits[i] - largest);
          for (std::size_t i = 0; i < width; ++i) {
            const double want = std::exp(logits[i] - largest) / sum;
            ASSERT_NEAR(x[row * width + i], want, 2e-6 * want + 1e-37);
            const double log = logits[i] - largest - std::log(sum);
            ASSERT_NEAR(logs[row * width + i], log, 3e-7 * std::abs(log) + 2e-6);
          }
        }
      }
  });
}

TEST(Activation, sums_of_exponentials_piece_by_piece) {
  ThreadPool pool(2);
  tests::on_every_level([&] {
    for (const float spread : {1.0f, 400.0f}) {
      Floats x(3 * 1003);
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = spread * float(std::sin(double(i * i)));
      for (std::size_t i = 0; i < 700; ++i) x[1003 + i] = -INFINITY;  // whole pieces of the second row
      std::vector<ExponentialSum> sums(3);
      for (std::size_t begin = 0; begin < 1003; begin += 100)
        add_exponentials(pool, {&x[begin], 3, std::min<std::size_t>(100, 1003 - begin), 1003}, sums);
      for (std::size_t row = 0; row < 3; ++row) {
        const float* const from = &x[row * 1003];
        const double largest = *std::max_element(from, from + 1003);
        double sum = 0;
        for (std::size_t i = 0; i < 1003; ++i) sum += std::exp(from[i] - largest);
        EXPECT_EQ(sums[row].maximum, float(largest));
        EXPECT_NEAR(sums[row].log(), largest + std::log(sum), 2e-6);
      }
    }
  });
}

TEST(Activation, softmax_of_a_masked_row) {
  ThreadPool pool(1);
  tests::on_every_level([&] {
    Floats x = {-INFINITY, 2, -INFINITY, 2, -INFINITY, 2, 2, -INFINITY, -INFINITY};
    softmax(pool, {x.data(), 1, 9, 9});
    EXPECT_EQ(x, (Floats{0, 0.25f, 0, 0.25f, 0, 0.25f, 0.25f, 0, 0}));
    Floats y = {-INFINITY, 2, -INFINITY, 2, -INFINITY, 2, 2, -INFINITY, -INFINITY};
    log_softmax(pool, {y.data(), 1, 9, 9});
    for (std::size_t i = 0; i < 9; ++i) EXPECT_FLOAT_EQ(y[i], x[i] > 0 ? -std::log(4.0f) : -INFINITY);
  });
}

}  // namespace
}  // namespace hearth::ops
