#include "model/model.h"

#include <algorithm>

#include "kernels/kernels.h"
#include "levels.h"
#include "runner.h"
#include "shared.h"

using namespace hearth;

namespace {

// The ten largest logits after each prompt of real_models.json: the same first token (or one as good within
// what llama.cpp differs from itself, 0.5), each within 1.0.
void expect_top_ten(const std::string& file) {
  const auto expected = tests::read_json(tests::shared() / "conformance/real_models.json")[file];
  tests::Runner runner(model::Model::open(tests::models() / file));
  for (const auto& prompt : expected["prompts"]) {
    SCOPED_TRACE(prompt["text"].get<std::string>());
    const auto tokens = prompt["tokens"].get<std::vector<Token>>();
    const auto cache = runner.model->new_cache(64);
    const std::vector<float> logits = runner.feed(cache.get(), tokens, model::Segment::Want::last);
    const auto best = std::size_t(std::max_element(logits.begin(), logits.end()) - logits.begin());
    const auto top = prompt["top10"].get<std::vector<std::pair<std::size_t, float>>>();
    float best_there = -1e9f;  // what the reference thinks of our best token
    for (const auto& [token, logit] : top) {
      EXPECT_NEAR(logits.at(token), logit, 1.0) << "token " << token;
      if (token == best) best_there = logit;
    }
    EXPECT_GE(best_there, top[0].second - 0.5f) << "our best is token " << best;
  }
}

TEST(Model, SmolLm2AgreesWithTheReference) {
  HEARTH_NEEDS_SHARED();
  HEARTH_NEEDS_MODEL("SmolLM2-135M-Instruct.Q4_1.gguf");
  expect_top_ten("SmolLM2-135M-Instruct.Q4_1.gguf");
}

TEST(Model, Gemma3AgreesWithTheReference) {
  HEARTH_NEEDS_SHARED();
  HEARTH_NEEDS_MODEL("gemma-3-270m-q4_k_m.gguf");
  expect_top_ten("gemma-3-270m-q4_k_m.gguf");
}

// What rounding does to a short prompt's logits, as a share of their power, beside float32 throughout: bytes without
// outliers, or bfloat16 in AMX's tiles. Bytes with them err by 4e-3, which turned "The capital of France is Paris."
// into another language. Over 25 places of four prompts: at a single place the error is ten times more or less, in a
// single prompt nearly twice, by how last bits fall.
TEST(Model, ShortPromptsAreComputedWithCare) {
  HEARTH_NEEDS_MODEL("SmolLM2-135M-Instruct.Q4_1.gguf");
  tests::Runner runner(model::Model::open(tests::models() / "SmolLM2-135M-Instruct.Q4_1.gguf"));
  std::vector<Token> tokens{// the template around "What is the capital of France?"
                            1,   9690, 198, 2683, 359,   253,  5356, 5646, 11173, 3365, 3511, 308,  34519,
                            28,  7018, 411, 407,  19712, 8182, 2,    198,  1,     4093, 198,  1780, 314,
                            260, 3575, 282, 4649, 47,    2,    198,  1,    520,   9531, 198};
  const auto logits = [&](const model::ForwardOptions& options) {
    std::vector<float> all;
    for (const Token other : {34519, 5000, 6000, 7000}) {
      tokens[12] = other;  // the name, before all that is looked at
      const auto cache = runner.model->new_cache(64);
      const auto rows = runner.feed(cache.get(), tokens, model::Segment::Want::all, options);
      all.insert(all.end(), rows.begin() + std::ptrdiff_t(12 * runner.width()), rows.end());
    }
    return all;
  };
  kernels::use("generic");
  const std::vector<float> exact = logits({});
  tests::on_every_level([&] {
    const std::string_view level = kernels::active().name;
    if (level == "generic") return;
    const double error = tests::normalised_error(logits({}), exact);
    EXPECT_LT(error, 1e-3);
    if (level == "amx") return;  // no other tiles without care
    EXPECT_GT(tests::normalised_error(logits({.care = ops::Care::nobody}), exact), 1.2 * error)
        << "then care is for nothing";
  });
}

}  // namespace
