#include "model/adapter.h"

#include <map>

#include "base/error.h"
#include "runner.h"
#include "temporary.h"
#include "tiny.h"

using namespace hearth;

namespace {

using tests::Tiny;

// An adapter of rank 4 for some matrices of a tiny model.
Tiny adapter_for(const nlohmann::json& spec, const std::vector<std::string>& weights, float alpha,
                 const std::string& salt = "") {
  Tiny adapter;
  adapter.metadata.set("general.type", {std::string("adapter")});
  adapter.metadata.set("adapter.type", {std::string("lora")});
  adapter.metadata.set("general.architecture", {spec["family"].get<std::string>()});
  adapter.metadata.set("adapter.lora.alpha", {alpha});
  for (const gguf::TensorPlan& plan : tests::tiny_model(spec).tensors)
    if (std::find(weights.begin(), weights.end(), plan.name) != weights.end()) {
      adapter.add(salt + plan.name + ".lora_a", {plan.shape[0], 4});
      adapter.add(salt + plan.name + ".lora_b", {4, plan.shape[1]});
    }
  return adapter;
}

// The weights of `name` with scale * B A added.
std::vector<float> merged(const gguf::TensorPlan& plan, const std::string& salt, float scale) {
  std::vector<float> values = Tiny::values_of(plan);
  const std::size_t inputs = plan.shape[0], outputs = plan.shape[1], rank = 4;
  const auto a = Tiny::values_of({salt + plan.name + ".lora_a", tensor::Type::f32, {inputs, rank}});
  const auto b = Tiny::values_of({salt + plan.name + ".lora_b", tensor::Type::f32, {rank, outputs}});
  for (std::size_t o = 0; o < outputs; ++o)
    for (std::size_t i = 0; i < inputs; ++i)
      for (std::size_t r = 0; r < rank; ++r) values[o * inputs + i] += scale * b[o * rank + r] * a[r * inputs + i];
  return values;
}

class AdapterTest : public ::testing::Test {
 protected:
  std::shared_ptr<const model::Model> open_model(const nlohmann::json& spec) {
    tests::tiny_model(spec).write(folder_.path() / "model.gguf");
    return model::Model::open(folder_.path() / "model.gguf");
  }
  std::shared_ptr<const model::Adapter> open_adapter(const Tiny& adapter, const model::Model& model) {
    const auto path = folder_.path() / fmt::format("adapter-{}.gguf", ++count_);
    adapter.write(path);
    return model::Adapter::open(path, model);
  }
  // The message of the error, or nothing.
  std::string fault(const Tiny& adapter, const model::Model& model) {
    try {
      open_adapter(adapter, model);
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == Code::bad_input || error.code() == Code::unsupported);
      return error.what();
    }
    return "";
  }

  tests::TemporaryFolder folder_;
  int count_ = 0;
};

TEST_F(AdapterTest, AddsWhatMergedWeightsWouldAdd) {
  const std::vector<nlohmann::json> specs = {
      {{"family", "llama"}, {"keys", {{"attention.head_count_kv", 2}}}},
      {{"family", "phi3"}, {"keys", {{"attention.head_count_kv", 2}}}, {"fused", true}},
      {{"family", "gpt2"}, {"bias", "all"}, {"fused", true}},
      {{"family", "gemma2"}, {"tied", true}},
  };
  const std::vector<std::string> adapted = {"blk.0.attn_q.weight",   "blk.0.attn_v.weight",
                                            "blk.1.attn_k.weight",   "blk.0.attn_qkv.weight",
                                            "blk.1.attn_qkv.weight", "blk.1.attn_output.weight",
                                            "blk.0.ffn_gate.weight", "blk.0.ffn_up.weight",
                                            "blk.1.ffn_down.weight", "output.weight"};
  const std::vector<Token> tokens = {3, 14, 15, 92, 65, 35};
  for (const auto& spec : specs) {
    SCOPED_TRACE(spec.dump());
    tests::Runner runner(open_model(spec));
    const auto one = open_adapter(adapter_for(spec, adapted, 8), *runner.model);
    const auto two = open_adapter(adapter_for(spec, adapted, 2), *runner.model);
    const std::vector<model::ActiveAdapter> active = {{one.get(), 0.25f}, {two.get(), -0.5f}};
    const auto got = runner.feed(runner.model->new_cache(8, ops::KvType::f32).get(), tokens, model::Segment::Want::last,
                                 {.adapters = active});

    const Tiny tiny = tests::tiny_model(spec);
    const float scale = 8.0f / 4 * 0.25f + 2.0f / 4 * -0.5f;
    gguf::write(folder_.path() / "merged.gguf", tiny.metadata, tiny.tensors,
                [&](const gguf::TensorPlan& plan, const gguf::Sink& sink) {
                  const bool is_adapted = std::find(adapted.begin(), adapted.end(), plan.name) != adapted.end();
                  const auto values = is_adapted ? merged(plan, "", scale) : Tiny::values_of(plan);
                  sink(std::as_bytes(std::span(values)));
                });
    tests::Runner whole(model::Model::open(folder_.path() / "merged.gguf"));
    const auto expected =
        whole.feed(whole.model->new_cache(8, ops::KvType::f32).get(), tokens, model::Segment::Want::last);
    EXPECT_LT(tests::normalised_error(got, expected), 1e-10);
    const auto without =
        runner.feed(runner.model->new_cache(8, ops::KvType::f32).get(), tokens, model::Segment::Want::last);
    EXPECT_GT(tests::normalised_error(without, expected), 1e-4);
  }
}

// A screen holds a copy of the file's own output layer.
TEST_F(AdapterTest, OfTheOutputLayerTakesAllLogits) {
  const nlohmann::json spec = {{"family", "llama"}, {"keys", {{"vocab_size", 8192}, {"embedding_length", 128}}}};
  tests::Runner runner(open_model(spec));
  const auto inner = open_adapter(adapter_for(spec, {"blk.0.attn_q.weight"}, 8), *runner.model);
  const auto output = open_adapter(adapter_for(spec, {"output.weight"}, 8), *runner.model);
  const auto screen = runner.model->new_screen();
  const auto logits = [&](const model::Adapter& adapter, model::Best best) {
    const std::vector<model::ActiveAdapter> active = {{&adapter, 1.0f}};
    const Token token = 42;
    return runner.feed(runner.model->new_cache(8).get(), {&token, 1}, model::Segment::Want::last,
                       {.adapters = active, .best = best});
  };
  const model::Best some = {.count = 1, .screen = screen.get()};
  for (int i = 0; i < 100; ++i) logits(*inner, some);
  ASSERT_TRUE(screen->complete());
  EXPECT_NE(logits(*inner, some), logits(*inner, {}));
  EXPECT_EQ(logits(*output, some), logits(*output, {}));
}

TEST_F(AdapterTest, RefusesAnAdapterOfAnotherModel) {
  const nlohmann::json spec = {{"family", "llama"}};
  const auto model = open_model(spec);
  const std::vector<std::string> weights = {"blk.0.attn_q.weight"};
  EXPECT_EQ(fault(adapter_for(spec, weights, 8), *model), "");

  EXPECT_NE(fault(adapter_for({{"family", "qwen2"}}, weights, 8), *model).find("its family is 'qwen2'"),
            std::string::npos);
  const nlohmann::json wider = {{"family", "llama"}, {"keys", {{"embedding_length", 128}}}};
  EXPECT_NE(fault(adapter_for(wider, weights, 8), *model).find("blk.0.attn_q.weight is 64 x 64, its adapter 128 x 4"),
            std::string::npos);
  const nlohmann::json deeper = {{"family", "llama"}, {"keys", {{"block_count", 3}}}};
  EXPECT_NE(fault(adapter_for(deeper, {"blk.2.ffn_up.weight"}, 8), *model).find("it adapts blk.2.ffn_up.weight"),
            std::string::npos);
}

TEST_F(AdapterTest, RefusesWhatIsNoAdapter) {
  const nlohmann::json spec = {{"family", "llama"}};
  const auto model = open_model(spec);
  const std::vector<std::string> weights = {"blk.0.attn_q.weight"};
  EXPECT_EQ(fault(tests::tiny_model(spec), *model).find("the file is no LoRA adapter"), 0u);
  EXPECT_EQ(fault(adapter_for(spec, {}, 8), *model).find("the adapter has no tensors"), 0u);
  EXPECT_EQ(fault(adapter_for(spec, {"token_embd.weight"}, 8), *model).find("an adapter of token_embd.weight"), 0u);

  for (const std::size_t left_out : {0u, 1u}) {
    Tiny half = adapter_for(spec, weights, 8);
    const std::string name = half.tensors[left_out].name;
    half.tensors.erase(half.tensors.begin() + static_cast<std::ptrdiff_t>(left_out));
    EXPECT_EQ(fault(half, *model).find("there is no tensor " + name), 0u);
  }
  Tiny stranger = adapter_for(spec, weights, 8);
  stranger.add("blk.0.attn_q.magnitude", {64});
  EXPECT_EQ(fault(stranger, *model).find("tensor blk.0.attn_q.magnitude belongs to no LoRA adapter"), 0u);
}

}  // namespace
