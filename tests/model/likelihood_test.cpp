#include "model/likelihood.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "levels.h"
#include "runner.h"
#include "temporary.h"
#include "tensor/type.h"
#include "tiny.h"

using namespace hearth;

namespace {

constexpr std::size_t width = 64, vocabulary = 3000, rows = 530;  // more than are answered together

// An output layer of `type` whose logits spread as a language model's do.
std::vector<std::byte> output_layer(tensor::Type type) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0, 0.4f);
  std::vector<float> weights(vocabulary * width);
  for (float& weight : weights) weight = normal(random);
  std::vector<std::byte> bytes(vocabulary * tensor::row_bytes(type, width));
  tensor::info(type).encode(weights.data(), nullptr, bytes.data(), weights.size());
  return bytes;
}

struct Expected {
  std::vector<double> logits;  // [rows, vocabulary]
  Expected(tensor::Type type, std::span<const std::byte> output, std::span<const float> hidden)
      : logits(rows * vocabulary) {
    std::vector<float> weights(vocabulary * width);
    tensor::info(type).decode(output.data(), weights.data(), weights.size());
    for (std::size_t row = 0; row < rows; ++row)
      for (std::size_t token = 0; token < vocabulary; ++token)
        for (std::size_t i = 0; i < width; ++i)
          logits[row * vocabulary + token] += double(hidden[row * width + i]) * double(weights[token * width + i]);
  }
  std::span<const double> of(std::size_t row) const { return std::span(logits).subspan(row * vocabulary, vocabulary); }
  Token likeliest(std::size_t row) const {
    return Token(std::max_element(of(row).begin(), of(row).end()) - of(row).begin());
  }
  double log(std::size_t row, Token token) const {
    double sum = 0;
    for (const double logit : of(row)) sum += std::exp(logit);
    return of(row)[std::size_t(token)] - std::log(sum);
  }
};

// Formats of eight bits may be taken with six where only their sum counts; all others, and what is asked, may not.
TEST(Likelihood, IsThatOfTheWholeVocabulary) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> hidden(rows * width);
  for (float& value : hidden) value = normal(random) * (random() % 50 == 0 ? 8.0f : 1.0f);
  for (const tensor::Type type : {tensor::Type::q8_0, tensor::Type::iq4_nl, tensor::Type::q4_1, tensor::Type::f16}) {
    const std::vector<std::byte> output = output_layer(type);
    tests::Tiny tiny = tests::tiny_model({{"family", "llama"}, {"keys", {{"vocab_size", vocabulary}}}});
    for (gguf::TensorPlan& plan : tiny.tensors)
      if (plan.name == "output.weight") plan.type = type;
    const tests::TemporaryFolder folder;
    gguf::write(folder.path() / "model.gguf", tiny.metadata, tiny.tensors,
                [&](const gguf::TensorPlan& plan, const gguf::Sink& sink) {
                  if (plan.name == "output.weight") return sink(output);
                  const std::vector<float> values = tests::Tiny::values_of(plan);
                  sink(std::as_bytes(std::span(values)));
                });
    const auto model = model::Model::open(folder.path() / "model.gguf");
    ASSERT_EQ(model->width(), width);
    const Expected expected(type, output, hidden);
    std::vector<model::NextToken> asked;
    for (std::size_t row = 0; row < rows; ++row) {
      if (row % 7 == 0) continue;
      asked.push_back({.row = row, .token = Token(random() % vocabulary)});
      asked.push_back(asked.back());  // of two continuations
      asked.push_back({.row = row, .token = expected.likeliest(row)});
    }
    std::shuffle(asked.begin(), asked.end(), random);
    for (const std::size_t threads : {1, 2}) {
      ThreadPool pool(threads);
      tests::on_every_level([&] {
        model::Likelihood(*model).answer(pool, {hidden.data(), rows, width}, asked);
        double squares = 0;
        for (const model::NextToken& one : asked) {
          const double error = double(one.log) - expected.log(one.row, one.token);
          EXPECT_LT(std::abs(error), 0.05);
          squares += error * error;
          EXPECT_EQ(one.likeliest, one.token == expected.likeliest(one.row));
        }
        EXPECT_LT(std::sqrt(squares / double(asked.size())), 0.012);  // logits that are not computed again err by 0.1
      });
    }
  }
}

}  // namespace
