#include "engine/embed.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "gguf/writer.h"
#include "shared.h"
#include "temporary.h"

namespace hearth::engine {
namespace {

// A copy of SmolLM2 whose file names a way to pool (GGUF's number), as those of embedding models do.
std::shared_ptr<Engine> pooled(const std::filesystem::path& folder, std::uint32_t way) {
  const gguf::File file = gguf::File::open(tests::models() / "SmolLM2-135M-Instruct.Q4_1.gguf");
  gguf::Metadata metadata = file.metadata();
  metadata.set("llama.pooling_type", {way});
  std::vector<gguf::TensorPlan> plans;
  for (const gguf::Tensor& tensor : file.tensors()) plans.push_back({tensor.name, tensor.type, tensor.shape});
  std::size_t next = 0;
  gguf::write(folder / "model.gguf", metadata, plans,
              [&](const gguf::TensorPlan&, const gguf::Sink& sink) { sink(file.tensors()[next++].data); });
  return Engine::open(folder / "model.gguf", {.context = 64});
}

// The final hidden states of a text, a row a token.
std::vector<float> states(Engine& engine, const std::string& text) {
  const auto tokens = engine.tokenizer().encode(text);
  const auto cache = engine.model().new_cache(tokens.size());
  const std::size_t width = engine.model().width();
  std::vector<float> rows(tokens.size() * width);
  const model::Segment segment{.cache = cache.get(), .tokens = tokens, .want = model::Segment::Want::all};
  engine.forward({&segment, 1}, {rows.data(), tokens.size(), width},
                 {.hidden_states = true, .care = ops::Care::everyone});
  return rows;
}

double cosine(std::span<const float> a, std::span<const float> b) {
  double dot = 0, power = 0, other = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    dot += double(a[i]) * double(b[i]);
    power += double(a[i]) * double(a[i]);
    other += double(b[i]) * double(b[i]);
  }
  return dot / std::sqrt(power * other);
}

TEST(Embedder, PoolsADecoderAsItsFileSays) {
  HEARTH_NEEDS_MODEL("SmolLM2-135M-Instruct.Q4_1.gguf");
  const std::vector<std::string> texts = {"The cat sat on the mat.", "Rain", "A dog lay on the rug, fast asleep."};
  for (const std::uint32_t way : {1, 2, 3}) {
    const tests::TemporaryFolder folder;
    const auto engine = pooled(folder.path(), way);
    Embedder embedder(engine);
    const auto vectors = embedder.embed(texts);
    ASSERT_EQ(vectors.size(), texts.size());
    const std::size_t width = engine->model().width();
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const std::vector<float> rows = states(*engine, texts[i]);
      const auto first = way == 2 ? rows.begin() : rows.end() - std::ptrdiff_t(width);
      std::vector<float> expected(first, first + std::ptrdiff_t(width));
      if (way == 1)
        for (std::size_t at = 0; at + width < rows.size(); ++at) expected[at % width] += rows[at];
      EXPECT_GT(cosine(vectors[i], expected), 0.999) << texts[i];
      EXPECT_NEAR(cosine(vectors[i], embedder.embed({&texts[i], 1})[0]), 1, 1e-6) << texts[i];
    }
    if (way != 2) {  // a first token sees no other
      EXPECT_LT(cosine(vectors[0], vectors[1]), 0.99);
    }
  }
}

TEST(Embedder, RefusesADecoderThatSaysNothing) {
  HEARTH_NEEDS_MODEL("SmolLM2-135M-Instruct.Q4_1.gguf");
  const auto engine = Engine::open(tests::models() / "SmolLM2-135M-Instruct.Q4_1.gguf");
  try {
    const Embedder embedder(engine);
    FAIL() << "it was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unsupported);
  }
}

}  // namespace
}  // namespace hearth::engine
