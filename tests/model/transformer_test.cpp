#include "model/transformer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "base/error.h"
#include "levels.h"
#include "runner.h"
#include "shared.h"
#include "temporary.h"
#include "tiny.h"

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

TEST_P(Conformance, LogitsOfTokensOneByOne) {
  const auto kept = cache();
  std::vector<float> logits;
  for (const Token token : tokens_) {
    const std::vector<float> row = runner_->feed(kept.get(), {&token, 1});
    logits.insert(logits.end(), row.begin(), row.end());
  }
  tests::expect_rows(logits_, logits, runner_->width(), 1e-6);
}

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

namespace {

using model::Segment;

std::vector<Token> some_tokens(std::size_t count, Token seed = 5) {
  std::vector<Token> tokens(count);
  for (std::size_t i = 0; i < count; ++i) tokens[i] = static_cast<Token>((i * i * 7 + i * 13 + seed * 31) % 96);
  return tokens;
}

tests::Runner open_tiny(const nlohmann::json& spec, const model::OpenOptions& options = {}) {
  const tests::TemporaryFolder folder;
  tests::tiny_model(spec).write(folder.path() / "tiny.gguf");
  return tests::Runner(model::Model::open(folder.path() / "tiny.gguf", options));  // the mapping outlives the name
}

// Attention in groups, windows, a mixture, and all kinds of wiring.
const std::vector<nlohmann::json> specs = {
    {{"family", "llama"}, {"keys", {{"context_length", 2048}, {"attention.head_count_kv", 2}}}},
    {{"family", "gemma3"}, {"keys", {{"block_count", 6}, {"attention.sliding_window", 8}}}, {"tied", true}},
    {{"family", "qwen3moe"}, {"keys", {{"expert_count", 6}, {"expert_used_count", 2}}}},
    {{"family", "falcon"}, {"keys", {{"attention.head_count_kv", 1}}}, {"fused", true}, {"norms", 1}},
    {{"family", "gptneox"}, {"bias", "all"}, {"fused", true}},
    {{"family", "olmo2"}},
    {{"family", "bloom"}, {"bias", "all"}, {"fused", true}},
};

TEST(Transformer, PartsOfAPromptGiveWhatTheWholeGives) {
  for (const auto& spec : specs) {
    SCOPED_TRACE(spec.dump());
    tests::Runner runner = open_tiny(spec);
    const auto tokens = some_tokens(40);
    const auto whole = runner.feed(runner.model->new_cache(64, ops::KvType::f32).get(), tokens);
    const auto cache = runner.model->new_cache(64, ops::KvType::f32);
    std::vector<float> parts;
    for (std::size_t begin = 0, count = 1; begin < tokens.size(); begin += count, count = 2 * count + 1) {
      const auto rows =
          runner.feed(cache.get(), std::span(tokens).subspan(begin, std::min(count, tokens.size() - begin)));
      parts.insert(parts.end(), rows.begin(), rows.end());
    }
    EXPECT_EQ(cache->used(), tokens.size());
    EXPECT_LT(tests::normalised_error(parts, whole), 1e-10);
  }
}

TEST(Transformer, LongPromptsRunInBoundedBatches) {
  tests::Runner runner = open_tiny(specs[0]);
  const auto tokens = some_tokens(1200);
  const auto whole = runner.feed(runner.model->new_cache(1200, ops::KvType::f32).get(), tokens);
  const auto cache = runner.model->new_cache(1200, ops::KvType::f32);
  std::vector<float> parts;
  for (std::size_t begin = 0; begin < tokens.size(); begin += 100) {
    const auto rows = runner.feed(cache.get(), std::span(tokens).subspan(begin, 100));
    parts.insert(parts.end(), rows.begin(), rows.end());
  }
  EXPECT_LT(tests::normalised_error(parts, whole), 1e-10);
}

TEST(Transformer, UnwantedRowsChangeNothing) {
  for (const auto& spec : specs) {
    SCOPED_TRACE(spec.dump());
    tests::Runner runner = open_tiny(spec);
    const auto tokens = some_tokens(30);
    const auto all = runner.feed(runner.model->new_cache(40, ops::KvType::f32).get(), tokens);
    const auto cache = runner.model->new_cache(40, ops::KvType::f32);
    EXPECT_TRUE(runner.feed(cache.get(), std::span(tokens).first(20), Segment::Want::none).empty());
    const auto last = runner.feed(cache.get(), std::span(tokens).subspan(20), Segment::Want::last);
    EXPECT_LT(tests::normalised_error(last, std::span(all).last(runner.width())), 1e-10);
  }
}

TEST(Transformer, SegmentsOfABatchDoNotSeeEachOther) {
  for (const auto& spec : specs) {
    SCOPED_TRACE(spec.dump());
    tests::Runner runner = open_tiny(spec);
    const std::size_t width = runner.width();
    const std::vector<std::vector<Token>> texts = {some_tokens(5, 1), some_tokens(1, 2), some_tokens(33, 3),
                                                   some_tokens(9, 4)};
    const std::vector<Segment::Want> wants = {Segment::Want::all, Segment::Want::last, Segment::Want::last,
                                              Segment::Want::none};
    std::vector<std::unique_ptr<model::KvCache>> caches;
    std::vector<Segment> segments;
    std::vector<float> alone;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      caches.push_back(runner.model->new_cache(40, ops::KvType::f32));
      segments.push_back({.cache = caches[i].get(), .tokens = texts[i], .want = wants[i]});
      const auto rows = runner.feed(runner.model->new_cache(40, ops::KvType::f32).get(), texts[i], wants[i]);
      alone.insert(alone.end(), rows.begin(), rows.end());
    }
    std::vector<float> together(alone.size());
    runner.model->forward(runner.pool, segments, *runner.scratch, {together.data(), alone.size() / width, width});
    EXPECT_LT(tests::normalised_error(together, alone), 1e-10);
    for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(caches[i]->used(), texts[i].size());
  }
}

TEST(Transformer, ARewoundCacheForgets) {
  tests::Runner runner = open_tiny(specs[1]);
  const auto cache = runner.model->new_cache(40, ops::KvType::f32);
  const auto tokens = some_tokens(20);
  const auto first = runner.feed(cache.get(), tokens);
  cache->truncate(8);
  runner.feed(cache.get(), some_tokens(12, 9));
  cache->truncate(8);
  const auto again = runner.feed(cache.get(), std::span(tokens).subspan(8));
  EXPECT_LT(tests::normalised_error(again, std::span(first).subspan(8 * runner.width())), 1e-10);
}

TEST(Transformer, EncodersTakeManyTextsAtOnce) {
  tests::Runner runner = open_tiny({{"family", "nomic-bert"}, {"keys", {{"context_length", 700}}}, {"fused", true}});
  const std::vector<std::vector<Token>> texts = {some_tokens(300, 1), some_tokens(600, 2), some_tokens(3, 3)};
  std::vector<Segment> segments;
  std::vector<float> alone;
  for (const auto& text : texts) {
    segments.push_back({.tokens = text, .want = Segment::Want::all});
    const auto rows = runner.feed(nullptr, text);
    alone.insert(alone.end(), rows.begin(), rows.end());
  }
  std::vector<float> together(alone.size());
  runner.model->forward(runner.pool, segments, *runner.scratch, {together.data(), 903, runner.width()});
  EXPECT_LT(tests::normalised_error(together, alone), 1e-10);
  const auto first = runner.feed(nullptr, texts[1], Segment::Want::last);
  EXPECT_LT(tests::normalised_error(first, std::span(alone).subspan(899 * runner.width(), runner.width())), 1e-10);
}

TEST(Transformer, SmallerCachesStayClose) {
  tests::Runner runner =
      open_tiny({{"family", "llama"}, {"keys", {{"attention.key_length", 32}, {"attention.value_length", 32}}}});
  const auto tokens = some_tokens(40);
  const auto exact = runner.feed(runner.model->new_cache(64, ops::KvType::f32).get(), tokens);
  for (const auto& [type, most] :
       {std::pair{ops::KvType::f16, 1e-6}, {ops::KvType::q8_0, 1e-3}, {ops::KvType::q4_0, 0.1}})
    EXPECT_LT(tests::normalised_error(runner.feed(runner.model->new_cache(64, type).get(), tokens), exact), most);
}

TEST(Transformer, LongRotaryFactorsAreForLongContexts) {
  const nlohmann::json spec = {{"family", "phi3"},
                               {"keys", {{"rope.scaling.original_context_length", 32}}},
                               {"fused", true},
                               {"factors", "by_context"}};
  tests::Runner runner = open_tiny(spec);
  const auto tokens = some_tokens(20);
  const auto at = [&](std::size_t context) {
    return runner.feed(runner.model->new_cache(context, ops::KvType::f32).get(), tokens);
  };
  EXPECT_EQ(at(24), at(32));
  EXPECT_GT(tests::normalised_error(at(33), at(32)), 1e-3);
  // One batch may hold both kinds.
  const auto small = runner.model->new_cache(32, ops::KvType::f32),
             large = runner.model->new_cache(33, ops::KvType::f32);
  const std::vector<Segment> segments = {{.cache = small.get(), .tokens = tokens},
                                         {.cache = large.get(), .tokens = tokens}};
  std::vector<float> out(2 * runner.width());
  runner.model->forward(runner.pool, segments, *runner.scratch, {out.data(), 2, runner.width()});
  const auto short_rows = at(32), long_rows = at(33);
  EXPECT_LT(tests::normalised_error(std::span(out).first(runner.width()), std::span(short_rows).last(runner.width())),
            1e-10);
  EXPECT_LT(tests::normalised_error(std::span(out).last(runner.width()), std::span(long_rows).last(runner.width())),
            1e-10);
}

TEST(Transformer, HiddenStatesOfADecoder) {
  tests::Runner runner = open_tiny(specs[0]);
  const auto tokens = some_tokens(7);
  const auto cache = runner.model->new_cache(8, ops::KvType::f32);
  const Segment segment{.cache = cache.get(), .tokens = tokens, .want = Segment::Want::all};
  std::vector<float> hidden(7 * runner.model->width());
  runner.model->forward(runner.pool, {&segment, 1}, *runner.scratch, {hidden.data(), 7, runner.model->width()},
                        {.hidden_states = true});
  cache->truncate(0);
  const auto logits = runner.feed(cache.get(), tokens);
  const tensor::Matrix& output = runner.model->weights().output.weight;
  double logit = 0;  // of token 3 at position 6
  for (std::size_t i = 0; i < output.columns; ++i)
    logit += static_cast<double>(hidden[6 * output.columns + i] * reinterpret_cast<const float*>(output.row(3))[i]);
  EXPECT_NEAR(logit, logits[6 * runner.width() + 3], 1e-4);
}

TEST(Transformer, LayersInTwoPassesGiveWhatOneGives) {
  const std::size_t count = 600;  // more than a pass takes at once
  for (const auto& spec : specs) {
    SCOPED_TRACE(spec.dump());
    tests::Runner runner = open_tiny(spec);
    ASSERT_GT(runner.model->hyperparameters().layers, 1u);
    const auto tokens = some_tokens(count);
    const auto cache = runner.model->new_cache(count, ops::KvType::f32);
    const auto whole = runner.feed(cache.get(), tokens);
    std::vector<float> stream(count * runner.model->width());
    model::ForwardOptions options;
    options.layers = {0, 1, {stream.data(), count, runner.model->width()}};
    cache->truncate(0);
    EXPECT_TRUE(runner.feed(cache.get(), tokens, Segment::Want::none, options).empty());
    options.layers.begin = 1;
    options.layers.end = 1000;
    cache->truncate(0);
    EXPECT_EQ(runner.feed(cache.get(), tokens, Segment::Want::all, options), whole);
  }
}

TEST(Transformer, RefusesWhatDoesNotFitBeforeItComputes) {
  tests::Runner runner = open_tiny(specs[0]);
  const auto cache = runner.model->new_cache(10, ops::KvType::f32);
  runner.feed(cache.get(), some_tokens(6));
  const auto code_of = [&](tests::Runner& r, model::KvCache* c, const std::vector<Token>& tokens) {
    try {
      r.feed(c, tokens);
    } catch (const Error& error) {
      return error.code();
    }
    return Code::internal;
  };
  EXPECT_EQ(code_of(runner, cache.get(), some_tokens(5)), Code::too_long);
  EXPECT_EQ(code_of(runner, cache.get(), {3, 96}), Code::bad_input);
  EXPECT_EQ(code_of(runner, cache.get(), {-1}), Code::bad_input);
  EXPECT_EQ(cache->used(), 6u);
  runner.feed(cache.get(), some_tokens(4));
  tests::Runner learned =
      open_tiny({{"family", "gpt2"}, {"keys", {{"context_length", 16}}}, {"bias", "all"}, {"fused", true}});
  EXPECT_EQ(code_of(learned, learned.model->new_cache(40).get(), some_tokens(17)), Code::too_long);
  tests::Runner encoder = open_tiny({{"family", "bert"}, {"keys", {{"context_length", 16}}}, {"bias", "all"}});
  EXPECT_EQ(code_of(encoder, nullptr, some_tokens(17)), Code::too_long);
}

TEST(Transformer, ObserversSeeTheInputOfEveryMatrix) {
  for (const auto& spec : specs) {
    SCOPED_TRACE(spec.dump());
    tests::Runner runner = open_tiny(spec);
    std::map<std::string, std::size_t> rows;
    const model::Observer observer = [&](std::string_view weight, std::size_t, tensor::ConstRows x) {
      const gguf::Tensor* tensor = runner.model->file().find(weight);
      ASSERT_NE(tensor, nullptr) << weight;
      EXPECT_EQ(x.width, tensor->shape[0]) << weight;
      rows[std::string(weight)] += x.count;
    };
    runner.feed(runner.model->new_cache(40).get(), some_tokens(20), Segment::Want::last, {.observer = &observer});
    for (const std::string_view name : runner.model->weights().names) {
      const bool is_head = name == "output.weight" || name == "token_embd.weight",
                 is_expert = name.find("_exps") != name.npos;
      EXPECT_EQ(rows[std::string(name)], is_head ? 1u : is_expert ? 40u : 20u) << name;
    }
  }
}

TEST(Transformer, ATapeKeepsWhatAGradientNeeds) {
  struct Recorder : model::Tape {
    std::map<std::pair<model::Point, std::size_t>, std::vector<float>> kept;
    void keep(model::Point point, std::size_t layer, tensor::ConstRows rows) override {
      auto& values = kept[{point, layer}];
      for (std::size_t i = 0; i < rows.count; ++i) values.insert(values.end(), rows.row(i), rows.row(i) + rows.width);
    }
  } tape;
  tests::Runner runner = open_tiny(specs[0]);
  const auto tokens = some_tokens(6);
  const auto plain = runner.feed(runner.model->new_cache(8).get(), tokens, Segment::Want::last);
  const auto taped = runner.feed(runner.model->new_cache(8).get(), tokens, Segment::Want::last, {.tape = &tape});
  ASSERT_EQ(taped.size(), plain.size());
  // With a tape no row is left out of the last layer, and more rows are multiplied in another order.
  for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_NEAR(taped[i], plain[i], 1e-4);
  using model::Point;
  const std::map<Point, std::size_t> widths = {
      {Point::layer_input, 64}, {Point::attention_input, 64}, {Point::queries, 64},      {Point::keys, 32},
      {Point::values, 32},      {Point::rotated_queries, 64}, {Point::rotated_keys, 32}, {Point::attended, 64},
      {Point::middle, 64},      {Point::ffn_input, 64},       {Point::gate, 80},         {Point::up, 80},
      {Point::activated, 80},   {Point::layer_output, 64}};
  for (const auto& [point, width] : widths)
    for (const std::size_t layer : {0u, 1u})
      EXPECT_EQ((tape.kept[{point, layer}].size()), 6 * width) << static_cast<int>(point);
  EXPECT_EQ((tape.kept[{Point::layer_output, 0}]), (tape.kept[{Point::layer_input, 1}]));
  EXPECT_EQ((tape.kept[{Point::output_input, 2}].size()), 64u);
  const auto& gate = tape.kept[{Point::gate, 0}];
  const auto& up = tape.kept[{Point::up, 0}];
  const auto& activated = tape.kept[{Point::activated, 0}];
  for (std::size_t i = 0; i < gate.size(); ++i)
    EXPECT_NEAR(activated[i], gate[i] / (1 + std::exp(-gate[i])) * up[i], 1e-5);
}

// By a scale below zero the least outputs become the greatest logits.
TEST(Transformer, AScreenOnlyKnowsGreatestOutputs) {
  for (const float scale : {0.5f, -0.5f}) {
    tests::Runner runner = open_tiny(
        {{"family", "llama"}, {"keys", {{"vocab_size", 8192}, {"embedding_length", 128}, {"logit_scale", scale}}}});
    const auto screen = runner.model->new_screen();
    const auto logits = [&](model::Best best) {
      const Token token = 42;
      return runner.feed(runner.model->new_cache(8).get(), {&token, 1}, model::Segment::Want::last, {.best = best});
    };
    std::vector<float> some;
    for (int i = 0; i < 100; ++i) some = logits({.count = 1, .screen = screen.get()});
    EXPECT_EQ(screen->complete(), scale > 0);
    const auto all = logits({});
    EXPECT_EQ(some == all, scale < 0);
    EXPECT_EQ(std::ranges::max(some), std::ranges::max(all));
  }
}

TEST(Transformer, RotaryOverridesAreWhatTheFileWouldSay) {
  const auto tokens = some_tokens(30);
  const auto logits = [&](const nlohmann::json& keys, const model::RopeOverride& wanted) {
    tests::Runner runner = open_tiny({{"family", "llama"}, {"keys", keys}}, {.rope = wanted});
    return runner.feed(runner.model->new_cache(64, ops::KvType::f32).get(), tokens);
  };
  const auto own = logits(nlohmann::json::object(), {});
  const auto linear = logits({{"rope.scaling.type", "linear"}, {"rope.scaling.factor", 4.0}}, {});
  EXPECT_NE(own, linear);
  EXPECT_EQ(logits(nlohmann::json::object(), {.factor = 4.0f}), linear);
  EXPECT_EQ(
      logits({{"rope.scaling.type", "linear"}, {"rope.scaling.factor", 4.0}}, {.scaling = ops::RopeScaling::none}),
      own);
  EXPECT_EQ(logits({{"rope.freq_base", 500000.0}}, {.frequency_base = 10000.0f}), own);
  EXPECT_EQ(
      logits(nlohmann::json::object(), {.scaling = ops::RopeScaling::yarn, .factor = 4.0f, .original_context = 32.0f}),
      logits(
          {{"rope.scaling.type", "yarn"}, {"rope.scaling.factor", 4.0}, {"rope.scaling.original_context_length", 32}},
          {}));
  EXPECT_EQ(open_tiny({{"family", "llama"}}, {.rope = {.factor = 4.0f}}).model->context_length(), 512u);
  EXPECT_THROW(open_tiny({{"family", "llama"}}, {.rope = {.factor = -1.0f}}), Error);
}

}  // namespace
