#include "compress/feedback.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <random>
#include <vector>

#include "compress/calibration.h"
#include "compress/hessian.h"
#include "compress/quantize.h"
#include "compress/readable.h"
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
  ThreadPool pool(1);
  for (const std::size_t block : {32, 256}) {
    std::vector<Problem> problems;
    for (unsigned seed = 1; seed <= 3; ++seed)
      problems.push_back(random_problem(seed, seed == 1 ? 16 : 21,
                                        block == 32 ? 96 * seed
                                        : seed == 3 ? 512
                                                    : 256,
                                        seed == 3 ? 40 : 150, seed == 2 ? 100 : 24));
    for (const tensor::TypeInfo& type : tensor::types()) {
      if (type.block_weights != block) continue;
      double nearest_sum = 0, feedback_sum = 0;
      for (const Problem& p : problems) {
        const auto nearest = output_errors(p, type, *nearest_encoder(type.type, p.columns, nullptr, {}));
        const auto feedback = output_errors(p, type, *feedback_encoder(type.type, p.hessian, pool));
        for (std::size_t r = 0; r < p.rows; ++r) {
          EXPECT_LE(feedback[r], nearest[r] * 1.0001) << type.name << " " << p.columns << " row " << r;
          nearest_sum += nearest[r];
          feedback_sum += feedback[r];
        }
      }
      EXPECT_LT(feedback_sum, 0.5 * nearest_sum) << type.name;
    }
  }
}

// The threads share the work and not the result.
TEST(Feedback, ThreadsDoNotChangeTheBlocks) {
  const Problem p = random_problem(4, 20, 320, 100, 30);
  const std::size_t bytes = p.rows * tensor::row_bytes(tensor::Type::q4_0, p.columns);
  std::vector<std::byte> once(bytes), again(bytes);
  ThreadPool one(1), three(3);
  feedback_encoder(tensor::Type::q4_0, p.hessian, one)->encode({p.weights.data(), p.rows, p.columns}, once.data());
  feedback_encoder(tensor::Type::q4_0, p.hessian, three)->encode({p.weights.data(), p.rows, p.columns}, again.data());
  EXPECT_EQ(once, again);
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

// The whole way: a model's own activations, from a text, decide what its file becomes.
TEST(Feedback, KeepsMoreOfWhatAModelComputes) {
  const tests::Readable made;
  QuantizeOptions options;
  options.type = "Q4_0";
  options.calibration = made.text;
  options.context = 128;
  options.chunks = 4;
  options.threads = 1;
  const Calibration calibration(made.in, made.text);
  ThreadPool pool(1);
  HessianGatherer gatherer(calibration.model(), pool, calibration.tokens(), calibration.bos(), {128, 4});
  const std::string name = "blk.1.ffn_up.weight";
  gatherer.gather({name});
  const auto hessian = gatherer.find({name, 0});
  ASSERT_TRUE(hessian);
  const auto loss = [&](Method method) {
    options.method = method;
    quantize(made.in, made.out, options);
    const auto out = gguf::File::open(made.out);
    EXPECT_EQ(out.metadata().string("hearth.quantize.method"), hearth::compress::name(method));
    const auto before = calibration.model().file().find(name)->matrix(), after = out.find(name)->matrix();
    EXPECT_EQ(after.type, tensor::Type::q4_0);
    std::vector<float> x(before.columns), y(before.columns);
    double sum = 0;
    for (std::size_t row = 0; row < before.rows; ++row) {
      tensor::info(before.type).decode(before.row(row), x.data(), x.size());
      tensor::info(after.type).decode(after.row(row), y.data(), y.size());
      for (std::size_t i = 0; i < x.size(); ++i)
        for (std::size_t j = 0; j < x.size(); ++j)
          sum += double(x[i] - y[i]) * hessian->row(i)[j] * double(x[j] - y[j]);
    }
    return sum;
  };
  EXPECT_LT(loss(Method::feedback), 0.6 * loss(Method::nearest));
}

}  // namespace
}  // namespace hearth::compress
