#include "evaluate/perplexity.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "shared.h"

namespace hearth::evaluate {
namespace {

std::shared_ptr<engine::Engine> tiny(const std::string& name = "llama-dense") {
  return engine::Engine::open(tests::shared() / ("conformance/gguf/" + name + ".gguf"), {.context = 64});
}

std::vector<Token> tokens(std::size_t count) {
  std::vector<Token> tokens(count);
  for (std::size_t i = 0; i < count; ++i) tokens[i] = Token((i * i * 7 + i) % 128);
  return tokens;
}

// By the definition: position by position, in double.
TEST(Perplexity, IsTheExponentialOfTheMeanLoss) {
  HEARTH_NEEDS_SHARED();
  const auto engine = tiny();
  const auto text = tokens(150);
  constexpr std::size_t context = 32;
  double loss = 0;
  std::size_t count = 0;
  for (std::size_t chunk = 0; chunk < 4; ++chunk) {
    const auto cache = engine->model().new_cache(context);
    std::vector<float> logits(context * 128);
    const model::Segment segment{.cache = cache.get(),
                                 .tokens = std::span(text).subspan(chunk * context, context),
                                 .want = model::Segment::Want::all};
    engine->forward({&segment, 1}, {logits.data(), context, 128});
    for (std::size_t i = context / 2; i + 1 < context; ++i) {
      const float* const row = &logits[i * 128];
      double sum = 0;
      for (std::size_t j = 0; j < 128; ++j) sum += std::exp(double(row[j]));
      loss += std::log(sum) - double(row[text[chunk * context + i + 1]]);
      ++count;
    }
  }
  const Perplexity got = perplexity(*engine, text, {.context = context});
  EXPECT_EQ(got.chunks, 4u);
  EXPECT_EQ(got.tokens, count);
  EXPECT_NEAR(got.value, std::exp(loss / double(count)), 1e-3 * got.value);
  EXPECT_GT(got.error, 0);
  EXPECT_EQ(perplexity(*engine, text, {.context = context, .chunks = 2}).tokens, count / 2);
}

TEST(Perplexity, Divergence) {
  HEARTH_NEEDS_SHARED();
  const auto engine = tiny(), same = tiny(), other = tiny("qwen2-dense");
  const auto text = tokens(128);
  const auto itself = perplexity(*engine, text, {.context = 32}, same.get()).against;
  ASSERT_TRUE(itself);
  EXPECT_NEAR(itself->mean, 0, 1e-6);
  EXPECT_EQ(itself->top_agreement, 1);
  EXPECT_EQ(itself->top_agreement_error, 0);
  const auto drift = perplexity(*engine, text, {.context = 32}, other.get());
  ASSERT_TRUE(drift.against);
  EXPECT_GT(drift.against->mean, 0.01);
  EXPECT_GT(drift.against->error, 0);
  EXPECT_LE(drift.against->median, drift.against->percentile_99);
  EXPECT_LE(drift.against->percentile_99, drift.against->maximum);
  EXPECT_LT(drift.against->top_agreement, 1);
  EXPECT_NEAR(drift.against->reference_perplexity, perplexity(*other, text, {.context = 32}).value, 1e-3);
}

TEST(Perplexity, Refuses) {
  HEARTH_NEEDS_SHARED();
  const auto engine = tiny();
  EXPECT_THROW(perplexity(*engine, tokens(20), {.context = 32}), Error);
  EXPECT_THROW(perplexity(*engine, tokens(20), {.context = 3}), Error);
  EXPECT_THROW(perplexity(*engine, tokens(200), {.context = 65}), Error);
}

TEST(Perplexity, StopsWhenAsked) {
  HEARTH_NEEDS_SHARED();
  const auto engine = tiny();
  const auto result = perplexity(*engine, tokens(64 * 40), {.context = 64}, nullptr,
                                 [](std::size_t, std::size_t of, const Perplexity&) { return of != 40; });
  EXPECT_LT(result.chunks, 40u);
}

#ifndef __SANITIZE_ADDRESS__
// llama.cpp's figures: five chunks here, the twenty of the reference with HEARTH_EVERY_ROW=1.
TEST(Perplexity, RealModels) {
  HEARTH_NEEDS_SHARED();
  const bool all = std::getenv("HEARTH_EVERY_ROW") != nullptr;
  std::ifstream file(tests::shared() / "data/text/wikitext2-valid.txt");
  std::stringstream text;
  text << file.rdbuf();
  for (const auto& [name, expected] :
       {std::pair{"SmolLM2-135M-Instruct.Q4_1.gguf", 15.897}, {"gemma-3-270m-q4_k_m.gguf", 12.120}}) {
    HEARTH_NEEDS_MODEL(name);
    const auto engine = engine::Engine::open(tests::models() / name);
    const auto ids = engine->tokenizer().encode(text.str().substr(0, 80000));
    const auto result = perplexity(*engine, ids, {.chunks = all ? 20u : 2u});
    std::printf("[ %s: %.4f +- %.4f ]\n", name, result.value, result.error);
    if (all)
      EXPECT_NEAR(result.value, expected, 0.01 * expected) << name;
    else
      EXPECT_NEAR(std::log(result.value), std::log(expected), 0.5) << name;
  }
}
#endif

}  // namespace
}  // namespace hearth::evaluate
