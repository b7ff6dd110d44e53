#include "compress/feedback.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <random>
#include <vector>

#include "compress/hessian.h"
#include "tensor/type.h"

namespace hearth::compress {
namespace {

struct Problem {
  std::size_t rows, columns, tokens;
  std::vector<float> weights, inputs;  // [rows, columns], [tokens, columns]
  std::shared_ptr<Hessian> hessian;
};

// Inputs that are mixtures of `rank` directions and a little noise, some columns much louder than others.
Problem random_problem(unsigned seed, std::size_t rows, std::size_t columns, std::size_t tokens, std::size_t rank) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Problem p{rows, columns, tokens, {}, {}, nullptr};
  p.weights.resize(rows * columns);
  for (float& w : p.weights) w = 0.05f * normal(random);
  std::vector<float> directions(rank * columns), loudness(columns), amounts(rank);
  for (float& d : directions) d = normal(random);
  for (float& l : loudness) l = std::exp(normal(random));
  p.inputs.resize(tokens * columns);
  for (std::size_t t = 0; t < tokens; ++t) {
    for (float& a : amounts) a = normal(random);
    for (std::size_t j = 0; j < columns; ++j) {
      float x = 0.3f * normal(random);
      for (std::size_t k = 0; k < rank; ++k) x += amounts[k] * directions[k * columns + j];
      p.inputs[t * columns + j] = x * loudness[j];
    }
  }
  p.hessian = std::make_shared<Hessian>();
  p.hessian->columns = columns;
  p.hessian->values.resize(columns * columns);
  for (std::size_t t = 0; t < tokens; ++t)
    for (std::size_t i = 0; i < columns; ++i)
      for (std::size_t j = 0; j < columns; ++j)
        p.hessian->values[i * columns + j] +=
            p.inputs[t * columns + i] * p.inputs[t * columns + j] / static_cast<float>(tokens);
  return p;
}

// The squared error of each row's product with the inputs.
std::vector<double> output_errors(const Problem& p, const tensor::TypeInfo& type, const RowEncoder& encoder) {
  const std::size_t row_bytes = tensor::row_bytes(type.type, p.columns);
  std::vector<std::byte> blocks(p.rows * row_bytes);
  encoder.encode({p.weights.data(), p.rows, p.columns}, blocks.data());
  std::vector<float> back(p.columns);
  std::vector<double> errors(p.rows);
  for (std::size_t r = 0; r < p.rows; ++r) {
    type.decode(blocks.data() + r * row_bytes, back.data(), p.columns);
    for (std::size_t t = 0; t < p.tokens; ++t) {
      double sum = 0;
      for (std::size_t j = 0; j < p.columns; ++j)
        sum += (double(p.weights[r * p.columns + j]) - back[j]) * p.inputs[t * p.columns + j];
      errors[r] += sum * sum;
    }
  }
  return errors;
}

// No row loses more than by nearest rounding, on whatever matrix and activations; all together lose much less where
// the activations hang together.
TEST(Feedback, NeverLosesMoreThanNearest) {
  ThreadPool pool(2);
  for (const tensor::TypeInfo& type : tensor::types()) {
    if (type.block_weights == 1) continue;
    double nearest_sum = 0, feedback_sum = 0;
    for (unsigned seed = 1; seed <= 3; ++seed) {
      const std::size_t columns = type.block_weights == 32 ? 96 * seed : 256 * (seed == 3 ? 2 : 1);
      const Problem p = random_problem(seed, seed == 1 ? 16 : 21, columns, seed == 3 ? 40 : 300, seed == 2 ? 200 : 24);
      const auto nearest = output_errors(p, type, *nearest_encoder(type.type, p.columns, nullptr, {}));
      const auto feedback = output_errors(p, type, *feedback_encoder(type.type, p.hessian, pool));
      for (std::size_t r = 0; r < p.rows; ++r) {
        EXPECT_LE(feedback[r], nearest[r] * 1.0001) << type.name << " seed " << seed << " row " << r;
        nearest_sum += nearest[r];
        feedback_sum += feedback[r];
      }
    }
    EXPECT_LT(feedback_sum, 0.5 * nearest_sum) << type.name;
  }
}

// Inputs that never appear, a matrix of zeros, activations of one column only.
TEST(Feedback, TakesDegenerateActivations) {
  ThreadPool pool(1);
  Problem p = random_problem(9, 5, 256, 30, 4);
  const tensor::TypeInfo& type = tensor::info(tensor::Type::q4_0);
  const auto hessian = std::make_shared<Hessian>(*p.hessian);
  for (std::size_t i = 0; i < 256; ++i) hessian->row(7)[i] = hessian->row(i)[7] = 0;
  std::vector<std::byte> blocks(5 * tensor::row_bytes(type.type, 256));
  std::vector<float> back(256);
  const auto stays_close = [&] {
    feedback_encoder(type.type, hessian, pool)->encode({p.weights.data(), 5, 256}, blocks.data());
    type.decode(blocks.data(), back.data(), 256);
    for (std::size_t j = 0; j < 256; ++j) EXPECT_NEAR(back[j], p.weights[j], 0.2f) << j;
  };
  stays_close();
  std::fill(hessian->values.begin(), hessian->values.end(), 0.0f);
  stays_close();
  hessian->row(3)[3] = 1e6f;
  stays_close();
  std::fill(p.weights.begin(), p.weights.end(), 0.0f);
  stays_close();
}

}  // namespace
}  // namespace hearth::compress
