#include "compress/importance.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "compress/hessian.h"
#include "model/tiny.h"
#include "temporary.h"

namespace hearth::compress {
namespace {

struct TinyModel {
  tests::TemporaryFolder folder;
  std::filesystem::path path = folder.path() / "tiny.gguf";
  std::shared_ptr<const model::Model> model;
  std::vector<Token> tokens;

  explicit TinyModel(const char* name = nullptr, const nlohmann::json& spec = {{"family", "llama"}, {"tied", true}}) {
    tests::Tiny tiny = tests::tiny_model(spec);
    if (name) tiny.metadata.set("general.name", {std::string(name)});
    tiny.write(path);
    model = model::Model::open(path);
    for (int i = 0; i < 100; ++i) tokens.push_back(i * 37 % 96);
  }
};

std::string failure(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing went wrong";
}

TEST(Importance, IsTheDiagonalOfTheHessian) {
  const TinyModel tiny;
  ThreadPool pool(1);
  const CalibrationOptions options{.context = 32, .chunks = 0};
  const Importance importance = measure_importance(*tiny.model, pool, tiny.tokens, no_token, options, "numbers");
  EXPECT_EQ(importance.chunks, 3u);
  EXPECT_EQ(importance.matrices.size(), 14u);  // seven in each of two layers
  HessianGatherer gatherer(*tiny.model, pool, tiny.tokens, no_token, options);
  std::vector<std::string> names;
  for (const auto& [name, matrix] : importance.matrices) names.push_back(name);
  gatherer.gather(names);
  for (const std::string& name : names) {
    const auto means = importance.mean_squares(name, 0);
    const auto hessian = gatherer.find({name, 0});
    ASSERT_TRUE(hessian) << name;
    ASSERT_EQ(means.size(), hessian->columns) << name;
    for (std::size_t i = 0; i < means.size(); ++i)
      ASSERT_NEAR(hessian->row(i)[i], means[i], 1e-4f * means[i] + 1e-9f) << name << " " << i;
    EXPECT_FLOAT_EQ(hessian->row(1)[2], hessian->row(2)[1]) << name;
  }
  EXPECT_EQ(gatherer.find({"blk.0.attn_q.weight", 0}), gatherer.find({"blk.0.attn_v.weight", 0}));  // one input
  EXPECT_NE(gatherer.find({"blk.0.attn_q.weight", 0}), gatherer.find({"blk.0.attn_output.weight", 0}));
  EXPECT_TRUE(importance.mean_squares("no such tensor", 0).empty());
}

TEST(Importance, CountsExpertsApart) {
  const TinyModel tiny(nullptr, {{"family", "llama"}, {"keys", {{"expert_count", 4}, {"expert_used_count", 2}}}});
  ThreadPool pool(1);
  const auto importance = measure_importance(*tiny.model, pool, tiny.tokens, no_token, {32, 2}, "numbers");
  const auto& experts = importance.matrices.at("blk.0.ffn_down_exps.weight");
  ASSERT_EQ(experts.counts.size(), 4u);
  float sum = 0;
  for (const float count : experts.counts) sum += count;
  EXPECT_EQ(sum, 2 * 64);  // two experts for each of 64 tokens
}

TEST(Importance, IsReadAsWritten) {
  const TinyModel tiny("Tiny");
  ThreadPool pool(1);
  const auto written = measure_importance(*tiny.model, pool, tiny.tokens, 1, {50, 0}, "numbers");
  const auto path = tiny.folder.path() / "imatrix.gguf";
  written.write(path);
  const Importance read = Importance::read(path);
  EXPECT_EQ(read.model, "Tiny");
  EXPECT_EQ(read.chunks, 2u);
  EXPECT_EQ(read.chunk_tokens, 50u);
  EXPECT_EQ(read.datasets, std::vector<std::string>{"numbers"});
  ASSERT_EQ(read.matrices.size(), written.matrices.size());
  for (const auto& [name, matrix] : written.matrices) {
    EXPECT_EQ(read.matrices.at(name).sums, matrix.sums);
    EXPECT_EQ(read.matrices.at(name).counts, matrix.counts);
  }
  read.check_against(tiny.model->file(), path.string());
}

TEST(Importance, OfAnotherModelIsRefused) {
  const TinyModel tiny("Tiny"), other("Other"),
      narrow(nullptr, {{"family", "llama"}, {"keys", {{"feed_forward_length", 96}}}}),
      longer(nullptr, {{"family", "llama"}, {"keys", {{"block_count", 3}}}});
  ThreadPool pool(1);
  Importance importance = measure_importance(*tiny.model, pool, tiny.tokens, no_token, {50, 1}, "numbers");
  const std::string named = failure([&] { importance.check_against(other.model->file(), "tiny.imatrix"); });
  EXPECT_NE(named.find("'Tiny'"), std::string::npos) << named;
  EXPECT_NE(named.find("'Other'"), std::string::npos) << named;
  EXPECT_NE(named.find("tiny.imatrix"), std::string::npos) << named;
  const std::string wide = failure([&] { importance.check_against(narrow.model->file(), "i"); });
  EXPECT_NE(wide.find("blk.0.ffn_down.weight has 80 columns"), std::string::npos) << wide;
  importance = measure_importance(*longer.model, pool, longer.tokens, no_token, {50, 1}, "numbers");
  const std::string more = failure([&] { importance.check_against(tiny.model->file(), "i"); });
  EXPECT_NE(more.find("blk.2."), std::string::npos) << more;
}

TEST(Importance, BadFilesAreRefused) {
  const TinyModel tiny;
  const std::string model = failure([&] { Importance::read(tiny.path); });
  EXPECT_NE(model.find("not 'imatrix'"), std::string::npos) << model;
  Importance importance;
  importance.matrices["w.weight"] = {4, {1, 2, 3, -1}, {1}};
  const auto path = tiny.folder.path() / "i.gguf";
  importance.write(path);
  const std::string negative = failure([&] { Importance::read(path); });
  EXPECT_NE(negative.find("-1"), std::string::npos) << negative;
  std::ofstream(path) << "an old imatrix.dat";
  EXPECT_NE(failure([&] { Importance::read(path); }).find("i.gguf"), std::string::npos);
}

TEST(Importance, ShortTextsAreRefused) {
  const TinyModel tiny;
  ThreadPool pool(1);
  const std::string said = failure([&] {
    measure_importance(*tiny.model, pool, tiny.tokens, no_token, {512, 0}, "numbers");
  });
  EXPECT_NE(said.find("100 tokens"), std::string::npos) << said;
}

}  // namespace
}  // namespace hearth::compress
