#include "model/hyperparameters.h"

#include <random>

#include "base/error.h"
#include "runner.h"
#include "temporary.h"
#include "tiny.h"

using namespace hearth;

namespace {

class HyperparametersTest : public ::testing::Test {
 protected:
  std::string fault(const tests::Tiny& tiny, Code code = Code::bad_input) {
    const auto path = folder_.path() / "tiny.gguf";
    tiny.write(path);
    try {
      model::Model::open(path);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      const std::string what = error.what();
      EXPECT_NE(what.find("tiny.gguf"), std::string::npos) << what;  // names the file
      return what;
    }
    return "";
  }
  tests::TemporaryFolder folder_;
};

TEST_F(HyperparametersTest, EveryNumberHasARange) {
  const std::vector<std::tuple<std::string, gguf::Value, std::string>> cases = {
      {"llama.block_count", {std::uint32_t{0}}, "llama.block_count is 0, and must lie between 1 and 1024"},
      {"llama.block_count", {std::uint32_t{4000000000}}, "llama.block_count is 4000000000, and must"},
      {"llama.context_length", {std::uint64_t{1} << 60}, "llama.context_length is 1152921504606846976, and must"},
      {"llama.embedding_length", {std::uint32_t{0}}, "llama.embedding_length is 0, and must"},
      {"llama.feed_forward_length", {std::uint32_t{1} << 31}, "llama.feed_forward_length is 2147483648, and must"},
      {"llama.attention.head_count", {std::uint32_t{0}}, "llama.attention.head_count is 0, and must"},
      {"llama.attention.head_count",
       {std::uint32_t{5}},
       "llama.attention.head_count is 5, which does not divide the width 64"},
      {"llama.attention.head_count_kv",
       {std::uint32_t{3}},
       "llama.attention.head_count_kv is 3, which does not divide the 4 heads"},
      {"llama.attention.key_length", {std::uint32_t{100000}}, "llama.attention.key_length is 100000, and must"},
      {"llama.rope.dimension_count",
       {std::uint32_t{18}},
       "llama.rope.dimension_count is 18, and must lie between 0 and 16"},
      {"llama.rope.dimension_count", {std::uint32_t{7}}, "llama.rope.dimension_count is 7: even numbers"},
      {"llama.rope.freq_base", {0.0f}, "llama.rope.freq_base is 0, and must"},
      {"llama.rope.freq_base", {std::numeric_limits<float>::quiet_NaN()}, "llama.rope.freq_base is nan, and must"},
      {"llama.attention.layer_norm_rms_epsilon", {-1.0f}, "llama.attention.layer_norm_rms_epsilon is -1, and must"},
      {"llama.attention.layer_norm_rms_epsilon", {std::string("x")}, "llama.attention.layer_norm_rms_epsilon"},
      {"llama.attention.scale", {std::numeric_limits<float>::infinity()}, "llama.attention.scale is inf, and must"},
      {"llama.expert_count", {std::uint32_t{100000}}, "llama.expert_count is 100000, and must"},
      {"llama.vocab_size", {std::uint32_t{97}}, "token_embd.weight has 96 rows, and the vocabulary 97 tokens"},
      {"llama.attention.rope_pattern",
       {gguf::Array(std::vector<bool>{true})},
       "llama.attention.rope_pattern has 1 entries, and the model 2 layers"},
  };
  for (const auto& [key, value, message] : cases) {
    tests::Tiny tiny = tests::tiny_model({{"family", "llama"}});
    tiny.metadata.set(key, value);
    EXPECT_EQ(fault(tiny).find(message), 0u) << fault(tiny);
  }
}

TEST_F(HyperparametersTest, MissingAndUnsupportedOnesAreNamed) {
  for (const std::string key :
       {"llama.block_count", "llama.context_length", "llama.embedding_length", "llama.attention.head_count",
        "llama.feed_forward_length", "llama.attention.layer_norm_rms_epsilon", "general.architecture"}) {
    tests::Tiny tiny = tests::tiny_model({{"family", "llama"}});
    tiny.metadata.erase(key);
    EXPECT_NE(fault(tiny, Code::not_found).find(key), std::string::npos);
  }
  const std::vector<std::tuple<std::string, gguf::Value, std::string>> cases = {
      {"general.architecture", {std::string("mamba")}, "models of the family 'mamba' are not supported"},
      {"llama.rope.scaling.type", {std::string("cubic")}, "llama.rope.scaling.type is 'cubic'"},
      {"llama.attention.causal", {false}, "llama.attention.causal is false"},
      {"llama.attention.head_count",
       {gguf::Array(std::vector<std::uint32_t>{4, 8})},
       "llama.attention.head_count differs from layer to layer"},
  };
  for (const auto& [key, value, message] : cases) {
    tests::Tiny tiny = tests::tiny_model({{"family", "llama"}});
    tiny.metadata.set(key, value);
    EXPECT_EQ(fault(tiny, Code::unsupported).find(message), 0u) << fault(tiny, Code::unsupported);
  }
  tests::Tiny adapter = tests::tiny_model({{"family", "llama"}});
  adapter.metadata.set("general.type", {std::string("adapter")});
  EXPECT_EQ(fault(adapter).find("the file is an adapter, not a model"), 0u);
}

TEST_F(HyperparametersTest, OneNumberALayerMayBeOneNumber) {
  tests::Tiny tiny = tests::tiny_model({{"family", "llama"}});
  tiny.metadata.set("llama.attention.head_count", {gguf::Array(std::vector<std::uint32_t>{4, 4})});
  EXPECT_EQ(fault(tiny), "");
}

TEST_F(HyperparametersTest, PatternsOfLayers) {
  const auto read = [&](const nlohmann::json& spec) {
    const auto path = folder_.path() / "tiny.gguf";
    tests::tiny_model(spec).write(path);
    return model::Model::open(path)->hyperparameters();
  };
  using Flags = std::vector<bool>;
  const auto gemma = read({{"family", "gemma3"}, {"keys", {{"block_count", 7}, {"attention.sliding_window", 8}}}});
  EXPECT_EQ(gemma.sliding, (Flags{true, true, true, true, true, false, true}));
  EXPECT_EQ(read({{"family", "gemma3"}}).sliding, (Flags{false, false}));
  EXPECT_EQ(read({{"family", "llama"}, {"keys", {{"attention.sliding_window", 8}}}}).sliding, (Flags{true, true}));
  EXPECT_EQ(read({{"family", "gemma2"}, {"keys", {{"attention.sliding_window_pattern", Flags{false, true}}}}}).sliding,
            (Flags{false, true}));
  EXPECT_EQ(read({{"family", "smollm3"}, {"keys", {{"block_count", 5}}}}).rotated,
            (Flags{true, true, true, false, true}));
  EXPECT_EQ(read({{"family", "smollm3"}, {"keys", {{"attention.rope_pattern", Flags{false, true}}}}}).rotated,
            (Flags{false, true}));
}

// Whatever bytes stand where the metadata do: an error of the right kind, or a model that runs.
TEST_F(HyperparametersTest, FlippedBytesDoNoHarm) {
  std::mt19937 random(7);
  for (const nlohmann::json& spec : std::vector<nlohmann::json>{
           {{"family", "gemma3"}, {"keys", {{"attention.sliding_window", 8}, {"rope.freq_base", 1e6}}}},
           {{"family", "llama"},
            {"keys",
             {{"expert_count", 4},
              {"expert_used_count", 2},
              {"rope.scaling.type", "yarn"},
              {"rope.scaling.factor", 4.0}}}},
           {{"family", "mpt"},
            {"keys", {{"attention.max_alibi_bias", 8.0}, {"attention.clamp_kqv", 1.0}}},
            {"fused", true}}}) {
    const auto path = folder_.path() / "tiny.gguf";
    tests::tiny_model(spec).write(path);
    std::ifstream in(path, std::ios::binary);
    const std::string good((std::istreambuf_iterator<char>(in)), {});
    const std::size_t header = good.find("token_embd.weight");
    int opened = 0;
    for (int round = 0; round < 400; ++round) {
      std::string bytes = good;
      for (auto flips = 1 + random() % 3; flips > 0; --flips)
        bytes[8 + random() % (header - 8)] ^= static_cast<char>(1u << random() % 8);
      std::vector<std::uint64_t> aligned((bytes.size() + 7) / 8);
      std::memcpy(aligned.data(), bytes.data(), bytes.size());
      try {
        tests::Runner runner(
            model::Model::open(gguf::File::parse(std::as_bytes(std::span(aligned)).first(bytes.size()), "flipped")));
        const std::vector<Token> tokens = {1, 2, 3};
        runner.feed(runner.model->new_cache(8).get(), tokens);
        ++opened;
      } catch (const Error& error) {
        EXPECT_NE(error.code(), Code::internal) << error.what();
      }
    }
    EXPECT_GT(opened, 10);
    EXPECT_LT(opened, 390);
  }
}

}  // namespace
