#include "compress/prune.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "compress/readable.h"
#include "model/model.h"

namespace hearth::compress {
namespace {

std::vector<float> row_of(const gguf::File& file, std::string_view name, std::size_t row) {
  const tensor::Matrix matrix = file.find(name)->matrix();
  std::vector<float> values(matrix.columns);
  tensor::info(matrix.type).decode(matrix.row(row), values.data(), matrix.columns);
  return values;
}

TEST(Prune, LayersThatDoNothingGoFirst) {
  const tests::Readable made({{"family", "llama"}, {"keys", {{"block_count", 4}}}});
  const auto path = made.folder.path() / "idle.gguf";
  const auto file = gguf::File::open(made.in);
  std::vector<gguf::TensorPlan> plans;
  for (const auto& tensor : file.tensors()) plans.push_back({tensor.name, tensor.type, tensor.shape});
  gguf::write(path, file.metadata(), plans, [&](const gguf::TensorPlan& plan, const gguf::Sink& sink) {
    const auto data = file.find(plan.name)->data;
    if (plan.name == "blk.1.attn_output.weight" || plan.name == "blk.1.ffn_down.weight")
      sink(std::vector<std::byte>(data.size()));
    else
      sink(data);
  });
  PruneOptions options;
  options.amount = 0.25;
  options.calibration = made.text;
  options.chunks = 2;
  options.threads = 1;
  const auto report = prune(path, made.out, options);
  EXPECT_EQ(report.layers_dropped, std::vector<std::size_t>{1});
  const auto model = model::Model::open(made.out);
  EXPECT_EQ(model->hyperparameters().layers, 3u);
  EXPECT_EQ(row_of(model->file(), "blk.1.attn_q.weight", 0), row_of(file, "blk.2.attn_q.weight", 0));
}

TEST(Prune, NarrowerFeedForward) {
  const tests::Readable made({{"family", "llama"}, {"keys", {{"feed_forward_length", 128}}}});
  PruneOptions options;
  options.pruning = Pruning::width;
  options.amount = 0.25;
  options.calibration = made.text;
  options.chunks = 2;
  options.threads = 1;
  const auto report = prune(made.in, made.out, options);
  EXPECT_LT(report.weights_after, report.weights_before);
  const auto model = model::Model::open(made.out);
  EXPECT_EQ(model->hyperparameters().feed_forward, 96u);
  // What stays of a row stays in order.
  const auto before = row_of(gguf::File::open(made.in), "blk.0.ffn_down.weight", 5),
             after = row_of(model->file(), "blk.0.ffn_down.weight", 5);
  auto at = before.begin();
  for (const float value : after) {
    at = std::find(at, before.end(), value);
    ASSERT_NE(at, before.end());
  }
}

TEST(Prune, MasksKeepTheirShape) {
  const tests::Readable made;
  PruneOptions options;
  options.calibration = made.text;
  options.chunks = 2;
  options.threads = 1;
  for (const Pruning pruning : {Pruning::wanda, Pruning::wanda24}) {
    options.pruning = pruning;
    options.amount = 0.25;
    prune(made.in, made.out, options);
    const auto model = model::Model::open(made.out);
    const auto row = row_of(model->file(), "blk.1.attn_k.weight", 9);
    const auto zeros = std::count(row.begin(), row.end(), 0.0f);
    EXPECT_EQ(zeros, pruning == Pruning::wanda ? 16 : 32);
    for (std::size_t i = 0; pruning == Pruning::wanda24 && i < row.size(); i += 4)
      EXPECT_EQ(std::count(&row[i], &row[i] + 4, 0.0f), 2);
    EXPECT_EQ(row_of(model->file(), "token_embd.weight", 9), row_of(gguf::File::open(made.in), "token_embd.weight", 9));
  }
}

TEST(Prune, BadRequestsLeaveNothing) {
  const tests::Readable made({{"family", "llama"}, {"keys", {{"feed_forward_length", 96}}}});
  const auto said = [&](Pruning pruning, double amount) {
    PruneOptions options;
    options.pruning = pruning;
    options.amount = amount;
    options.calibration = made.text;
    options.chunks = 1;
    options.threads = 1;
    std::string line = "nothing went wrong";
    try {
      prune(made.in, made.out, options);
    } catch (const Error& error) {
      line = error.what();
    }
    EXPECT_EQ(made.files(), 2u);
    return line;
  };
  EXPECT_NE(said(Pruning::depth, 0).find("share between"), std::string::npos);
  EXPECT_NE(said(Pruning::depth, 0.99).find("2 of 2 layers"), std::string::npos);
  EXPECT_NE(said(Pruning::width, 0.01).find("neurons"), std::string::npos);
  EXPECT_THROW(find_pruning("bonsai"), Error);
}

}  // namespace
}  // namespace hearth::compress
