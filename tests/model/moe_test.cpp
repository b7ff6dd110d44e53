// Mixtures of experts: src/model/moe.cpp.
#include <cmath>
#include <limits>
#include <set>

#include "model/weights.h"
#include "runner.h"
#include "temporary.h"
#include "tiny.h"

using namespace hearth;

namespace {

constexpr std::uint64_t experts = 6;
const nlohmann::json spec = {{"family", "llama"}, {"keys", {{"expert_count", experts}, {"expert_used_count", 2}}}};

// `change` may alter a tensor's values before they are written.
tests::Runner open_changed(const tests::Tiny& tiny,
                           const std::function<void(const std::string&, std::vector<float>&)>& change) {
  const tests::TemporaryFolder folder;
  const auto path = folder.path() / "tiny.gguf";
  gguf::write(path, tiny.metadata, tiny.tensors, [&](const gguf::TensorPlan& plan, const gguf::Sink& sink) {
    std::vector<float> values = tests::Tiny::values_of(plan);
    change(plan.name, values);
    sink(std::as_bytes(std::span(values)));
  });
  return tests::Runner(model::Model::open(path));
}

TEST(Moe, OnlyRoutedExpertsAreRead) {
  const std::vector<Token> tokens = {3};
  std::set<std::size_t> routed;
  const model::Observer observer = [&](std::string_view weight, std::size_t expert, tensor::ConstRows) {
    if (weight == "blk.0.ffn_up_exps.weight") routed.insert(expert);
  };
  const tests::Tiny tiny = tests::tiny_model(spec);
  tests::Runner plain = open_changed(tiny, [](const std::string&, std::vector<float>&) {});
  const auto expected =
      plain.feed(plain.model->new_cache(4).get(), tokens, model::Segment::Want::last, {.observer = &observer});
  ASSERT_EQ(routed.size(), 2u);
  // Nothing of an expert that is not routed to reaches the result: not even what is no number.
  tests::Runner poisoned = open_changed(tiny, [&](const std::string& name, std::vector<float>& values) {
    if (name.find("blk.0.") != 0 || name.find("_exps") == name.npos) return;
    const std::size_t size = values.size() / experts;
    for (std::size_t i = 0; i < values.size(); ++i)
      if (!routed.contains(i / size)) values[i] = std::numeric_limits<float>::quiet_NaN();
  });
  EXPECT_EQ(poisoned.feed(poisoned.model->new_cache(4).get(), tokens), expected);
}

TEST(Moe, WeightsOfTheChosenSumToOneUnlessTheFileSaysOtherwise) {
  nlohmann::json unnormalised = spec, all = spec;
  unnormalised["keys"]["expert_weights_norm"] = false;
  all["keys"]["expert_used_count"] = experts;
  nlohmann::json all_unnormalised = all;
  all_unnormalised["keys"]["expert_weights_norm"] = false;
  const std::vector<Token> tokens = {3, 1, 4, 1, 5};
  const auto logits = [&](const nlohmann::json& which) {
    tests::Runner runner = open_changed(tests::tiny_model(which), [](const std::string&, std::vector<float>&) {});
    return runner.feed(runner.model->new_cache(8).get(), tokens);
  };
  EXPECT_GT(tests::normalised_error(logits(unnormalised), logits(spec)), 1e-4);
  EXPECT_LT(tests::normalised_error(logits(all_unnormalised), logits(all)), 1e-10);  // a softmax sums to 1 as it is
}

TEST(Moe, ExpertsMayBeTensorsOfTheirOwn) {  // as files of early 2024 have them
  tests::Tiny stacked = tests::tiny_model(spec), split = stacked;
  split.tensors.clear();
  for (const gguf::TensorPlan& plan : stacked.tensors) {
    const auto at = plan.name.find("_exps");
    if (at == std::string::npos)
      split.tensors.push_back(plan);
    else
      for (std::uint64_t i = 0; i < experts; ++i)
        split.add(fmt::format("{}.{}.weight", plan.name.substr(0, at), i), {plan.shape[0], plan.shape[1]});
  }
  tests::Runner whole = open_changed(stacked, [](const std::string&, std::vector<float>&) {});
  tests::Runner parts = open_changed(split, [&](const std::string& name, std::vector<float>& values) {
    for (const char* which : {"gate", "up", "down"}) {
      const std::string stem = fmt::format("ffn_{}.", which);
      const auto at = name.find(stem);
      if (at == std::string::npos) continue;
      const std::string from = name.substr(0, at) + fmt::format("ffn_{}_exps.weight", which);
      for (const gguf::TensorPlan& plan : stacked.tensors)
        if (plan.name == from) {
          const auto all = tests::Tiny::values_of(plan);
          const std::size_t expert = std::stoul(name.substr(at + stem.size()));
          std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(expert * values.size()), values.size(), values.begin());
        }
    }
  });
  const std::vector<Token> tokens = {3, 1, 4, 1, 5};
  EXPECT_EQ(parts.feed(parts.model->new_cache(8).get(), tokens), whole.feed(whole.model->new_cache(8).get(), tokens));
}

}  // namespace
