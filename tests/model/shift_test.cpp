// Forgetting a stretch of a cache: src/model/shift.cpp.
#include "base/error.h"
#include "runner.h"
#include "temporary.h"
#include "tiny.h"

using namespace hearth;

namespace {

tests::Runner open_tiny(const nlohmann::json& spec) {
  const tests::TemporaryFolder folder;
  tests::tiny_model(spec).write(folder.path() / "tiny.gguf");
  return tests::Runner(model::Model::open(folder.path() / "tiny.gguf"));
}

// In a model of one layer a token's key and value depend on nothing before it: a cache that forgot is the cache of a
// text that never had what was forgotten.
TEST(Shift, ForgettingIsNeverHavingRead) {
  const nlohmann::json yarn = {{"block_count", 1},
                               {"attention.key_length", 32},
                               {"attention.value_length", 32},
                               {"rope.scaling.type", "yarn"},
                               {"rope.scaling.factor", 4.0},
                               {"rope.scaling.attn_factor", 1.5},
                               {"rope.scaling.original_context_length", 32}};
  const nlohmann::json plain = {{"block_count", 1}, {"attention.head_count_kv", 2}, {"attention.sliding_window", 64}};
  const nlohmann::json factored = {
      {"block_count", 1}, {"rope.scaling.attn_factor", 1.25}, {"rope.scaling.original_context_length", 64}};
  const std::vector<nlohmann::json> specs = {
      {{"family", "llama"}, {"keys", yarn}, {"factors", "all"}},
      {{"family", "gemma3"}, {"keys", plain}},
      {{"family", "phi3"}, {"keys", factored}, {"fused", true}, {"factors", "by_context"}},
      {{"family", "bloom"}, {"keys", {{"block_count", 1}}}, {"fused", true}},
  };
  std::vector<Token> tokens(100);
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<Token>(i * 29 % 96);
  std::vector<Token> shorter(tokens.begin(), tokens.begin() + 4);
  shorter.insert(shorter.end(), tokens.begin() + 20, tokens.begin() + 99);
  const std::span<const Token> last = std::span(tokens).last(1);
  for (const auto& spec : specs) {
    SCOPED_TRACE(spec.dump());
    tests::Runner runner = open_tiny(spec);
    for (const auto& [type, most] :
         {std::pair{ops::KvType::f32, 1e-9}, {ops::KvType::f16, 1e-6}, {ops::KvType::q8_0, 1e-3}}) {
      if (type == ops::KvType::q8_0 && runner.model->hyperparameters().key_width % 32 != 0) continue;
      const auto cache = runner.model->new_cache(128, type), fresh = runner.model->new_cache(128, type);
      runner.feed(cache.get(), std::span(tokens).first(99), model::Segment::Want::none);
      runner.model->forget(runner.pool, *cache, 4, 16);
      EXPECT_EQ(cache->used(), 83u);
      runner.feed(fresh.get(), shorter, model::Segment::Want::none);
      EXPECT_LT(tests::normalised_error(runner.feed(cache.get(), last), runner.feed(fresh.get(), last)), most);
    }
  }
}

TEST(Shift, LearnedPlacesCannotMove) {
  tests::Runner runner = open_tiny({{"family", "gpt2"}, {"bias", "all"}, {"fused", true}});
  const auto cache = runner.model->new_cache(16);
  const std::vector<Token> tokens = {1, 2, 3, 4};
  runner.feed(cache.get(), tokens);
  EXPECT_THROW(runner.model->forget(runner.pool, *cache, 1, 1), Error);
  EXPECT_EQ(cache->used(), 4u);
}

}  // namespace
