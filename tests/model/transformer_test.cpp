#include "model/transformer.h"

#include <fmt/format.h>

#include "../ops/levels.h"
#include "runner.h"
#include "shared.h"

using namespace hearth;

namespace {

std::vector<std::string> conformance_models() {
  std::vector<std::string> names;
  if (std::filesystem::exists(tests::shared()))
    for (const auto& entry : tests::read_json(tests::shared() / "conformance/gguf/expected.json"))
      names.push_back(entry["model"]);
  return names;
}

class Conformance : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    for (const auto& entry : tests::read_json(tests::shared() / "conformance/gguf/expected.json"))
      if (entry["model"] == GetParam()) {
        logits_ = entry["logits"];
        tokens_ = entry["tokens"].get<std::vector<Token>>();
      }
    runner_ = std::make_unique<tests::Runner>(model::Model::open(tests::shared() / "conformance/gguf" / GetParam()));
  }

  std::unique_ptr<model::KvCache> cache(std::size_t context = 256) const {
    return runner_->model->new_cache(context, ops::KvType::f32);
  }

  nlohmann::json logits_;
  std::vector<Token> tokens_;
  std::unique_ptr<tests::Runner> runner_;
};

TEST_P(Conformance, LogitsOfAWholePrompt) {
  tests::on_every_level(
      [&] { tests::expect_rows(logits_, runner_->feed(cache().get(), tokens_), runner_->width(), 1e-6); });
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Gguf, Conformance, ::testing::ValuesIn(conformance_models()), [](const auto& test) {
  std::string name = test.param.substr(0, test.param.find('.'));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Conformance);
