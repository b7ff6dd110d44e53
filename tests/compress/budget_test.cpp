#include "compress/budget.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>

#include "base/error.h"
#include "compress/quantize.h"
#include "compress/readable.h"
#include "compress/working_copy.h"

namespace hearth::compress {
namespace {

using tensor::Type;

// Against every combination of choices.
TEST(Budget, AllocationIsNearlyTheBest) {
  std::mt19937 random(5);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::vector<Choice>> tensors(5);
    for (auto& choices : tensors)
      for (int i = 0; i < 4; ++i) choices.push_back({Type::f32, 10 + random() % 90, double(random() % 1000)});
    const std::uint64_t budget = 150 + random() % 200;
    double best = 1e300;
    for (int code = 0; code < 4 * 4 * 4 * 4 * 4; ++code) {
      std::uint64_t bytes = 0;
      double damage = 0;
      for (int i = 0, rest = code; i < 5; ++i, rest /= 4) {
        bytes += tensors[std::size_t(i)][std::size_t(rest % 4)].bytes;
        damage += tensors[std::size_t(i)][std::size_t(rest % 4)].damage;
      }
      if (bytes <= budget) best = std::min(best, damage);
    }
    const auto chosen = allocate(tensors, budget);
    if (best == 1e300) {
      EXPECT_TRUE(chosen.empty());
      continue;
    }
    ASSERT_EQ(chosen.size(), 5u);
    std::uint64_t bytes = 0;
    double damage = 0;
    for (std::size_t i = 0; i < 5; ++i) {
      bytes += tensors[i][chosen[i]].bytes;
      damage += tensors[i][chosen[i]].damage;
    }
    EXPECT_LE(bytes, budget);
    EXPECT_LE(damage, best + 1000);  // at most about one tensor's choice away
  }
}

TEST(Budget, FilesStayBelowIt) {
  const tests::Readable model({{"family", "llama"}, {"keys", {{"feed_forward_length", 96}}}});
  QuantizeOptions options;
  options.calibration = model.text;
  options.chunks = 2;
  options.threads = 1;
  std::uint64_t before = 0;
  for (const double bits : {9.0, 12.0, 14.0}) {
    options.target_bits = bits;
    const auto report = quantize(model.in, model.out, options);
    EXPECT_LE(report.bits_per_weight, bits);
    EXPECT_GT(report.bytes, before);
    before = report.bytes;
  }
  options.target_bits.reset();
  options.target_bytes = 20000;
  try {
    quantize(model.in, model.out, options);
    FAIL() << "20 kB";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("its smallest form takes"), std::string::npos) << error.what();
  }
  options.calibration.clear();
  EXPECT_THROW(quantize(model.in, model.out, options), Error);
  EXPECT_EQ(model.files(), 3u);
}

TEST(Budget, HoldsExpertsToo) {
  const tests::Readable model(
      {{"family", "llama"}, {"keys", {{"feed_forward_length", 96}, {"expert_count", 4}, {"expert_used_count", 2}}}});
  QuantizeOptions options;
  options.calibration = model.text;
  options.chunks = 2;
  options.threads = 1;
  options.target_bits = 9;
  const auto report = quantize(model.in, model.out, options);
  EXPECT_LE(report.bits_per_weight, 9);
  EXPECT_TRUE(std::any_of(report.tensors.begin(), report.tensors.end(), [](const TensorReport& one) {
    return one.name.find("_exps") != std::string::npos && tensor::info(one.to).block_weights > 1;
  }));
}

TEST(Budget, NeedsSomeTextToMeasureOn) {
  const tests::Readable model;
  QuantizeOptions options;
  options.calibration = model.folder.path() / "short.txt";
  std::ofstream(options.calibration) << "Too short.";
  options.context = 2;  // short enough for importance
  options.target_bits = 12;
  options.threads = 1;
  try {
    quantize(model.in, model.out, options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("a target needs more than 16"), std::string::npos) << error.what();
  }
}

TEST(WorkingCopy, IsWhatWasPutInIt) {
  const tests::Readable made;
  const gguf::File original = gguf::File::open(made.in);
  WorkingCopy copy(original, made.folder.path());
  EXPECT_EQ(made.files(), 2u) << "the copy has no name";
  const auto first_row = [&] {
    const auto* const bytes = copy.model().file().find("blk.1.attn_q.weight")->data.data();
    float value;
    std::memcpy(&value, bytes + 3 * 64 * sizeof(float), sizeof value);
    return value;
  };
  const float before = first_row();
  const std::vector<float> ones(2 * 64, 1.0f);
  copy.replace("blk.1.attn_q.weight", 3, {ones.data(), 2, 64});
  EXPECT_EQ(first_row(), 1.0f);
  copy.restore("blk.1.attn_q.weight", original);
  EXPECT_EQ(first_row(), before);
}

}  // namespace
}  // namespace hearth::compress
