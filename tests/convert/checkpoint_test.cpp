// Checkpoints as transformers saves them: imported, run, and held to its logits.
#include "convert/checkpoint.h"

#include <gtest/gtest.h>

#include "../model/runner.h"
#include "shared.h"
#include "temporary.h"

namespace hearth::convert {
namespace {

using hearth::tests::read_json;

void expect_logits(const std::filesystem::path& folder) {
  const hearth::tests::TemporaryFolder temporary;
  const auto out = temporary.path() / "model.gguf";
  import_folder(folder, out, {.type = tensor::Type::f32, .threads = 2});
  hearth::tests::Runner runner(model::Model::open(out));
  const auto expected = read_json(folder / "expected.json");
  const auto tokens = expected.at("tokens").get<std::vector<Token>>();
  const auto cache = runner.model->is_encoder() ? nullptr : runner.model->new_cache(tokens.size(), ops::KvType::f32);
  const auto rows = runner.feed(cache.get(), tokens);
  hearth::tests::expect_rows(expected.at(runner.model->is_encoder() ? "hidden" : "logits"), rows, runner.width(), 1e-6);
}

TEST(Checkpoint, EveryFamilyOfTransformersGivesItsLogits) {
  HEARTH_NEEDS_SHARED();
  const auto folder = hearth::tests::shared() / "conformance" / "huggingface";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    SCOPED_TRACE(entry.path().filename().string());
    expect_logits(entry.path());
  }
}

}  // namespace
}  // namespace hearth::convert
