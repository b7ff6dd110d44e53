#include "compress/selection.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "compress/readable.h"
#include "gguf/writer.h"

namespace hearth::compress {
namespace {

QuantizeOptions options_for(const tests::Readable& made) {
  QuantizeOptions options;
  options.type = "Q4_0";
  options.calibration = made.text;
  options.context = 64;
  options.chunks = 4;
  options.threads = 1;
  return options;
}

const nlohmann::json two_layers = {{"family", "llama"}, {"keys", {{"block_count", 2}}}};

TEST(Selection, TakesWhatLowersTheLoss) {
  tests::Readable made(two_layers);
  const QuantizeOptions options = options_for(made);
  std::vector<gguf::File> files;
  for (const char* type : {"Q2_K", "Q8_0"}) {  // a poor one and a good one, unpacked to the same format
    QuantizeOptions one = options;
    one.type = type;
    const auto packed = made.folder.path() / type, unpacked = made.folder.path() / (std::string(type) + "-f32");
    quantize(made.in, packed, one);
    one.type = "F32";
    quantize(packed, unpacked, one);
    files.push_back(gguf::File::open(unpacked));
  }
  const Calibration calibration(made.in, made.text);
  ThreadPool pool(1);
  const Selection both = select(files, calibration, pool, made.folder.path(), {64, 4});
  EXPECT_LT(both.loss, both.loss_before);
  EXPECT_TRUE(std::ranges::count(both.candidate, 1u) > 0);
  // Later layers were tried on what earlier ones had made of the text; the model as a whole says the same.
  const auto mixed = made.folder.path() / "mixed";
  std::vector<gguf::TensorPlan> plans;
  for (const gguf::Tensor& tensor : files[0].tensors()) plans.push_back({tensor.name, tensor.type, tensor.shape});
  std::size_t next = 0;
  gguf::write(mixed, files[0].metadata(), plans, [&](const gguf::TensorPlan&, const gguf::Sink& sink) {
    sink(files[both.candidate[next]].tensors()[next].data);
    ++next;
  });
  const gguf::File again = gguf::File::open(mixed);
  EXPECT_EQ(select({&again, 1}, calibration, pool, made.folder.path(), {64, 4}).loss, both.loss);
  const Selection none = select({files.data(), 1}, calibration, pool, made.folder.path(), {64, 4});
  EXPECT_EQ(none.loss, none.loss_before);
  EXPECT_EQ(none.loss, both.loss_before);
  // Beginning with the good one, no part of it goes without lowering the loss.
  std::swap(files[0], files[1]);
  const Selection other = select(files, calibration, pool, made.folder.path(), {64, 4});
  EXPECT_LE(other.loss, other.loss_before);
}

TEST(Selection, EachTensorIsOneOfTheCandidates) {
  tests::Readable made(two_layers);
  QuantizeOptions options = options_for(made);
  std::vector<gguf::File> files;
  for (const Method method : {Method::importance, Method::feedback, Method::selection}) {
    options.method = method;
    const auto out = made.folder.path() / name(method);
    const QuantizeReport report = quantize(made.in, out, options);
    EXPECT_EQ(report.bytes, std::filesystem::file_size(out));
    files.push_back(gguf::File::open(out));
    EXPECT_EQ(files.back().metadata().string("hearth.quantize.method"), name(method));
  }
  for (std::size_t i = 0; i < files[2].tensors().size(); ++i) {
    const auto& tensor = files[2].tensors()[i];
    EXPECT_TRUE(std::ranges::equal(tensor.data, files[0].tensors()[i].data) ||
                std::ranges::equal(tensor.data, files[1].tensors()[i].data))
        << tensor.name;
  }
  EXPECT_EQ(made.files(), 5u) << "something was left behind";  // the model, the text and what was written
}

TEST(Selection, BadInput) {
  tests::Readable made;
  QuantizeOptions options = options_for(made);
  options.method = Method::selection;
  const auto failure = [&] {
    const std::size_t before = made.files();
    std::string said = "nothing went wrong";
    try {
      quantize(made.in, made.out, options);
    } catch (const Error& error) {
      said = error.what();
    }
    EXPECT_EQ(made.files(), before) << "something was left behind";
    return said;
  };
  options.context = 100000;  // more than the text has
  EXPECT_NE(failure().find("chunk"), std::string::npos) << failure();
  options = options_for(made);
  options.method = Method::selection;
  options.calibration.clear();
  EXPECT_NE(failure().find("--calibration"), std::string::npos) << failure();
}

}  // namespace
}  // namespace hearth::compress
