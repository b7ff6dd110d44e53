// Every row of the table against logits of the same random weights, computed by llama.cpp (GPT-J, which it does not
// know: by a dozen lines of NumPy).
#include "model/families.h"

#include <set>

#include "base/error.h"
#include "levels.h"
#include "runner.h"
#include "source_dir.h"
#include "temporary.h"
#include "tiny.h"

using namespace hearth;

namespace {

std::vector<nlohmann::json> golden() {
  return tests::read_json(std::filesystem::path(hearth::tests::source_dir()) / "tests/cases/model/golden.json");
}

// Prints as its name.
struct Case {
  nlohmann::json spec;
  friend std::ostream& operator<<(std::ostream& out, const Case& one) {
    return out << one.spec["name"].get<std::string>();
  }
};
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const nlohmann::json& spec : golden()) all.push_back({spec});
  return all;
}

class Golden : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    // HEARTH_KEEP_TINY names a folder to keep the models in, for computing what is expected
    // (docs/how-to/add-a-family.md).
    const char* const kept = std::getenv("HEARTH_KEEP_TINY");
    const std::filesystem::path path =
        (kept ? std::filesystem::path(kept) : folder_.path()) / (GetParam().spec["name"].get<std::string>() + ".gguf");
    tests::tiny_model(GetParam().spec).write(path);
    runner_ = std::make_unique<tests::Runner>(model::Model::open(path));
  }
  std::unique_ptr<model::KvCache> cache() const {
    return runner_->model->is_encoder() ? nullptr : runner_->model->new_cache(128, ops::KvType::f32);
  }

  tests::TemporaryFolder folder_;
  std::unique_ptr<tests::Runner> runner_;
  std::vector<Token> tokens_ = GetParam().spec["tokens"];
};

TEST_P(Golden, Logits) {
  tests::on_every_level([&] {
    tests::expect_rows(GetParam().spec["rows"], runner_->feed(cache().get(), tokens_), runner_->width(), 1e-6);
  });
}

TEST(Families, EveryRowHasGoldenLogits) {
  std::set<std::string> covered;
  for (const nlohmann::json& spec : golden()) covered.insert(spec["family"]);
  for (const model::Family& family : model::families())
    EXPECT_TRUE(covered.contains(std::string(family.name))) << family.name;
}

TEST(Families, NamesAreFoundAndUnknownOnesListTheKnown) {
  for (const model::Family& family : model::families()) EXPECT_EQ(&model::find_family(family.name, "x"), &family);
  try {
    model::find_family("mamba", "file.gguf");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unsupported);
    EXPECT_EQ(std::string(error.what())
                  .find("models of the family 'mamba' are not supported, file.gguf, known are llama, qwen2, "),
              0u);
  }
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Tiny, Golden, ::testing::ValuesIn(cases()), [](const auto& test) {
  std::string name = test.param.spec["name"];
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});
