#include "ops/screen.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>

#include "levels.h"
#include "random_weights.h"

namespace hearth {
namespace {

using tensor::Type;

constexpr float infinity = std::numeric_limits<float>::infinity();

// Weights as outputs of language models have them, columns large and small; x is large where they are small, and in
// some columns far larger.
struct Layer {
  std::size_t rows, columns;
  std::vector<float> column_sizes, weights;
  std::vector<std::byte> blocks;
  tensor::Matrix matrix;
  std::mt19937 random;

  Layer(Type type, std::size_t r, std::size_t c, std::uint32_t seed = 1)
      : rows(r), columns(c), column_sizes(c), weights(r * c), random(seed) {
    std::normal_distribution<float> normal;
    for (float& size : column_sizes) size = 0.02f * std::exp(normal(random));
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = column_sizes[i % columns] * normal(random);
    blocks.resize(tensor::row_bytes(type, columns) * rows);
    tensor::info(type).encode(weights.data(), nullptr, blocks.data(), weights.size());
    matrix = {type, blocks.data(), rows, columns};
  }
  std::vector<float> x() {
    std::normal_distribution<float> normal;
    std::vector<float> values(columns);
    for (std::size_t i = 0; i < columns; ++i) values[i] = (i % 97 == 5 ? 20 : 1) * normal(random) / column_sizes[i];
    return values;
  }
  // With that many calls of grow it is complete, if it ever is.
  void complete(ThreadPool& pool, ops::Screen& screen) {
    for (int i = 0; i < 100; ++i) grow(pool, screen, x());
  }
  void grow(ThreadPool& pool, ops::Screen& screen, const std::vector<float>& values) const {
    screen.grow(pool, {values.data(), 1, columns});
  }
  std::vector<float> product(ThreadPool& pool, const std::vector<float>& values, const float* bias) const {
    std::vector<float> y(rows);
    const ops::Product whole{.weight = matrix, .output = {y.data(), 1, rows}, .bias = bias};
    ops::matmul(pool, {values.data(), 1, columns}, {&whole, 1});
    return y;
  }
};

// A screen may say no a few times, until it knows how much it errs.
void ask(ThreadPool& pool, ops::Screen& screen, const std::vector<float>& x, std::size_t tokens, std::size_t best,
         std::vector<float>& y) {
  for (int i = 0; i < 8; ++i)
    if (screen.greatest(pool, {x.data(), tokens, x.size() / tokens}, best, {y.data(), tokens, y.size() / tokens},
                        ops::Care::nobody))
      return;
  FAIL() << "no answer";
}

void expect_greatest(const std::vector<float>& y, const std::vector<float>& whole, std::size_t best) {
  std::vector<std::size_t> order(whole.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::partial_sort(order, order.begin() + std::ptrdiff_t(best),
                            [&](std::size_t a, std::size_t b) { return whole[a] > whole[b]; });
  for (std::size_t i = 0; i < best; ++i) EXPECT_EQ(y[order[i]], whole[order[i]]) << "number " << i;
  const float least = whole[order[best - 1]];
  for (std::size_t i = best; i < order.size(); ++i) ASSERT_LE(y[order[i]], least);
}

TEST(Screen, GreatestAreThoseOfTheProduct) {
  ThreadPool pool(2);
  tests::on_every_level([&] {
    for (const auto& [type, columns] : {std::pair{Type::q8_0, 576}, {Type::q6_k, 256}, {Type::f16, 128}}) {
      Layer layer(type, 8003, std::size_t(columns));
      std::vector<float> bias(layer.rows);
      for (std::size_t i = 0; i < bias.size(); ++i) bias[i] = float(i % 7) - 3;
      ops::Screen screen(layer.matrix, bias.data(), layer.matrix.bytes());
      layer.complete(pool, screen);
      ASSERT_TRUE(screen.complete());
      EXPECT_GT(screen.saved_bytes(), layer.matrix.bytes() / 20);
      for (const std::size_t best : {1, 12})
        for (int i = 0; i < 10; ++i) {
          const std::vector<float> x = layer.x();
          std::vector<float> y(layer.rows);
          ask(pool, screen, x, 1, best, y);
          expect_greatest(y, layer.product(pool, x, bias.data()), best);
        }
    }
  });
}

TEST(Screen, SomeTokensAtOnce) {
  ThreadPool pool(2);
  Layer layer(Type::q8_0, 6400, 128);
  ops::Screen screen(layer.matrix, nullptr, layer.matrix.bytes());
  layer.complete(pool, screen);
  std::vector<float> both;
  for (int i = 0; i < 2; ++i) {
    const auto x = layer.x();
    both.insert(both.end(), x.begin(), x.end());
  }
  std::vector<float> y(2 * layer.rows), whole(2 * layer.rows);
  ops::matmul(pool, {both.data(), 2, 128}, layer.matrix, {whole.data(), 2, layer.rows});
  ask(pool, screen, both, 2, 5, y);
  for (const std::size_t begin : {std::size_t{0}, layer.rows}) {
    const auto row = [&](const std::vector<float>& of) {
      const auto first = of.begin() + std::ptrdiff_t(begin);
      return std::vector<float>(first, first + std::ptrdiff_t(layer.rows));
    };
    expect_greatest(row(y), row(whole), 5);
  }
  EXPECT_FALSE(screen.fits(4, 5));
}

// Sums of integers are exact: levels differ in the last bits that their scales leave.
TEST(Screen, LevelsAgree) {
  constexpr std::size_t columns = 576, rows = 12, row_bytes = columns / 2 + kernels::screen_leading;
  std::mt19937 random(5);
  std::vector<std::uint8_t> codes(rows * row_bytes);
  for (auto& byte : codes) byte = std::uint8_t(random());
  std::vector<std::int8_t> x(columns + kernels::screen_leading);
  for (auto& byte : x) byte = std::int8_t(int(random() % 255) - 127);
  std::fill_n(codes.begin(), row_bytes, std::uint8_t{255});  // the largest sums there are
  std::fill_n(x.begin(), columns, std::int8_t{127});
  std::vector<float> units(rows, 0.5f), first;
  tests::on_every_level([&] {
    std::vector<float> y(rows);
    kernels::vectors().screen_rows({.rows = codes.data(),
                                    .columns = columns,
                                    .code_units = units.data(),
                                    .leading_units = units.data(),
                                    .x = x.data(),
                                    .x_sum = columns * 127,
                                    .x_unit = 0.25f,
                                    .x_leading_unit = 2,
                                    .begin = 0,
                                    .end = rows - 1,
                                    .y = y.data()});
    EXPECT_EQ(y[rows - 1], 0);
    if (first.empty()) first = y;
    for (std::size_t i = 0; i < rows; ++i) EXPECT_NEAR(y[i], first[i], 1e-5f * std::abs(first[i]) + 0.01f);
  });
}

TEST(Screen, IsNotMadeWhereItSavesLittle) {
  ThreadPool pool(1);
  const Layer layer(Type::q8_0, 6400, 128), small(Type::q4_0, 6400, 128);
  for (const auto& [matrix, all] :
       {std::pair{layer.matrix, std::size_t{100'000'000}}, {small.matrix, std::size_t{1}}}) {
    ops::Screen screen(matrix, nullptr, all);
    Layer(layer).complete(pool, screen);
    EXPECT_FALSE(screen.complete());
    EXPECT_EQ(screen.saved_bytes(), 0u);
  }
}

TEST(Screen, LeavesToTheProductWhatItCannotTell) {
  ThreadPool pool(1);
  Layer layer(Type::q8_0, 6400, 128);
  ops::Screen screen(layer.matrix, nullptr, layer.matrix.bytes());
  std::vector<float> x = layer.x(), y(layer.rows);
  const auto asked = [&](std::size_t best) {
    return screen.greatest(pool, {x.data(), 1, 128}, best, {y.data(), 1, layer.rows}, ops::Care::nobody);
  };
  EXPECT_FALSE(asked(1));  // not yet complete
  layer.complete(pool, screen);
  ask(pool, screen, x, 1, 1, y);
  EXPECT_TRUE(asked(1));
  EXPECT_FALSE(asked(0));
  EXPECT_FALSE(asked(layer.rows / 2));
  const std::vector<float> usual = x;
  for (const float strange : {NAN, infinity, -infinity, 3e38f}) {
    x[17] = strange;
    EXPECT_FALSE(asked(1)) << strange;
    x = usual;
    EXPECT_FALSE(asked(1));  // it rests once
    EXPECT_TRUE(asked(1));
  }
  std::ranges::fill(x, 0.0f);                          // all outputs are equal
  for (int i = 0; i < 7; ++i) EXPECT_FALSE(asked(1));  // of which it tries three
  x = usual;
  int rests = 0;
  while (!asked(1)) ASSERT_LT(++rests, 20);
  EXPECT_GT(rests, 2);  // the longer the more often it failed

  ops::Screen unfazed(layer.matrix, nullptr, layer.matrix.bytes());
  layer.grow(pool, unfazed, std::vector<float>(128, NAN));
  layer.complete(pool, unfazed);
  EXPECT_TRUE(unfazed.complete());

  Layer broken(Type::f16, 6400, 128);
  const std::uint16_t nan = 0x7e00;
  std::memcpy(broken.blocks.data() + 2 * (4998 * 128 + 77), &nan, sizeof nan);
  ops::Screen never(broken.matrix, nullptr, broken.matrix.bytes());
  broken.complete(pool, never);
  EXPECT_FALSE(never.complete());
}

// An x made of the roundings themselves, which it therefore adds up and which are no chance.
TEST(Screen, NoticesThatItErrs) {
  ThreadPool pool(1);
  Layer layer(Type::f16, 6400, 512);
  for (float& weight : layer.weights) weight = 0.05f * (weight > 0 ? 0.6f : -0.6f);  // halfway between two steps
  tensor::info(Type::f16).encode(layer.weights.data(), nullptr, layer.blocks.data(), layer.weights.size());
  ops::Screen screen(layer.matrix, nullptr, layer.matrix.bytes());
  std::vector<float> x(layer.columns, 1.0f), y(layer.rows);
  for (int i = 0; i < 100; ++i) layer.grow(pool, screen, x);
  ASSERT_TRUE(screen.complete());
  for (std::size_t i = 0; i < layer.columns; ++i) x[i] = layer.weights[i] > 0 ? 1.0f : -1.0f;  // as row 0
  EXPECT_FALSE(screen.greatest(pool, {x.data(), 1, layer.columns}, 1, {y.data(), 1, layer.rows}, ops::Care::nobody));
}

}  // namespace
}  // namespace hearth
