#include "model/weights.h"

#include "base/error.h"
#include "runner.h"
#include "temporary.h"
#include "tiny.h"

using namespace hearth;

namespace {

class WeightsTest : public ::testing::Test {
 protected:
  std::shared_ptr<const model::Model> open(const tests::Tiny& tiny) {
    tiny.write(folder_.path() / "tiny.gguf");
    return model::Model::open(folder_.path() / "tiny.gguf");
  }
  std::string fault(const tests::Tiny& tiny, Code code) {
    try {
      open(tiny);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code);
      return error.what();
    }
    return "";
  }
  static gguf::TensorPlan& tensor(tests::Tiny& tiny, const std::string& name) {
    for (gguf::TensorPlan& plan : tiny.tensors)
      if (plan.name == name) return plan;
    throw std::runtime_error(name);
  }
  tests::TemporaryFolder folder_;
};

TEST_F(WeightsTest, EveryTensorIsNeeded) {
  for (const nlohmann::json& spec : std::vector<nlohmann::json>{
           {{"family", "gemma3"}}, {{"family", "llama"}, {"keys", {{"expert_count", 2}, {"expert_used_count", 1}}}}}) {
    const tests::Tiny whole = tests::tiny_model(spec);
    for (std::size_t i = 0; i < whole.tensors.size(); ++i) {
      if (whole.tensors[i].name == "output.weight") continue;  // the embedding serves
      tests::Tiny tiny = whole;
      tiny.tensors.erase(tiny.tensors.begin() + static_cast<std::ptrdiff_t>(i));
      EXPECT_EQ(fault(tiny, Code::not_found).find("there is no tensor " + whole.tensors[i].name), 0u)
          << whole.tensors[i].name;
    }
  }
}

TEST_F(WeightsTest, EveryShapeIsChecked) {
  const tests::Tiny whole = tests::tiny_model({{"family", "qwen3"}, {"bias", "qkv"}});
  for (std::size_t i = 0; i < whole.tensors.size(); ++i) {
    tests::Tiny tiny = whole;
    tiny.tensors[i].shape.back() += 1;
    const std::string what = fault(tiny, Code::bad_input);
    EXPECT_EQ(what.find(whole.tensors[i].name == "token_embd.weight"
                            ? "token_embd.weight has 97 rows"
                            : fmt::format("tensor {} has the shape [", whole.tensors[i].name)),
              0u)
        << what;
  }
  tests::Tiny tiny = whole;
  tensor(tiny, "blk.1.ffn_up.weight").shape = {80, 64};
  EXPECT_EQ(fault(tiny, Code::bad_input)
                .find("tensor blk.1.ffn_up.weight has the shape [80, 64], the metadata ask for [64, 80], "),
            0u);
}

TEST_F(WeightsTest, TensorsWithoutAPlaceAreRefused) {
  tests::Tiny tiny = tests::tiny_model({{"family", "llama"}});
  tiny.add("blk.2.attn_q.weight", {64, 64});
  EXPECT_EQ(fault(tiny, Code::bad_input)
                .find("tensor blk.2.attn_q.weight has no place in a model of the family llama with 2 layers"),
            0u);
  tiny.tensors.pop_back();
  tiny.add("blk.0.attn_rot_embd", {8});  // every program computes it
  EXPECT_EQ(fault(tiny, Code::bad_input), "");
  tests::Tiny ranker = tests::tiny_model({{"family", "qwen3"}});
  ranker.add("cls.output.weight", {64, 2});
  EXPECT_EQ(fault(ranker, Code::bad_input), "");
}

TEST_F(WeightsTest, IntegersAreNoWeights) {
  tests::Tiny tiny = tests::tiny_model({{"family", "llama"}});
  tensor(tiny, "blk.0.attn_q.weight").type = tensor::Type::i32;
  EXPECT_EQ(fault(tiny, Code::bad_input).find("tensor blk.0.attn_q.weight has the type I32, which holds no weights"),
            0u);
}

TEST_F(WeightsTest, FactorsOfZeroAreRefused) {
  const tests::Tiny tiny = tests::tiny_model({{"family", "llama"}, {"factors", "all"}});
  gguf::write(folder_.path() / "tiny.gguf", tiny.metadata, tiny.tensors,
              [](const gguf::TensorPlan& plan, const gguf::Sink& sink) {
                std::vector<float> values = tests::Tiny::values_of(plan);
                if (plan.name == "rope_freqs.weight") values[3] = 0;
                sink(std::as_bytes(std::span(values)));
              });
  EXPECT_THROW(model::Model::open(folder_.path() / "tiny.gguf"), Error);
}

TEST_F(WeightsTest, SmallTensorsMayBeOfAnyType) {
  tests::Tiny tiny = tests::tiny_model({{"family", "qwen2"}, {"bias", "qkv"}});
  const auto write = [&](tensor::Type type) {
    for (gguf::TensorPlan& plan : tiny.tensors)
      if (plan.shape.size() == 1) plan.type = type;
    gguf::write(folder_.path() / "tiny.gguf", tiny.metadata, tiny.tensors,
                [](const gguf::TensorPlan& plan, const gguf::Sink& sink) {
                  const std::vector<float> values = tests::Tiny::values_of(plan);
                  std::vector<std::byte> bytes(gguf::bytes(plan));
                  tensor::info(plan.type).encode(values.data(), nullptr, bytes.data(), values.size());
                  sink(bytes);
                });
    tests::Runner runner(model::Model::open(folder_.path() / "tiny.gguf"));
    const std::vector<Token> tokens = {1, 2, 3};
    return runner.feed(runner.model->new_cache(8, ops::KvType::f32).get(), tokens);
  };
  const auto exact = write(tensor::Type::f32);
  EXPECT_LT(tests::normalised_error(write(tensor::Type::f16), exact), 1e-6);
  EXPECT_LT(tests::normalised_error(write(tensor::Type::bf16), exact), 1e-4);
}

}  // namespace
