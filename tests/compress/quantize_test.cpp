#include "compress/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/sha256.h"
#include "compress/importance.h"
#include "model/tiny.h"
#include "temporary.h"

namespace hearth::compress {
namespace {

using tensor::Type;

const nlohmann::json& wide() {
  static const nlohmann::json spec = {{"family", "llama"},
                                      {"keys", {{"embedding_length", 256}, {"feed_forward_length", 256}}}};
  return spec;
}
const nlohmann::json& deep() {
  static const nlohmann::json spec = {
      {"family", "llama"}, {"keys", {{"embedding_length", 256}, {"feed_forward_length", 256}, {"block_count", 8}}}};
  return spec;
}
const nlohmann::json& mixture_of_experts() {
  static const nlohmann::json spec = {{"family", "llama"}, {"keys", {{"expert_count", 4}, {"expert_used_count", 2}}}};
  return spec;
}

// On one thread: tests run beside others.
QuantizeOptions plain() {
  QuantizeOptions options;
  options.threads = 1;
  return options;
}

struct Folder {
  tests::TemporaryFolder folder;
  std::filesystem::path in = folder.path() / "in.gguf", out = folder.path() / "out.gguf";

  explicit Folder(const nlohmann::json& spec = wide()) { tests::tiny_model(spec).write(in); }
  std::size_t files() const {
    return std::size_t(std::distance(std::filesystem::directory_iterator(folder.path()), {}));
  }
  std::string failure(const QuantizeOptions& options) const {
    const std::string before = sha256_of(in);
    const std::size_t count = files();
    std::string said = "nothing went wrong";
    try {
      quantize(in, out, options);
    } catch (const Error& error) {
      said = error.what();
    }
    EXPECT_EQ(sha256_of(in), before);
    EXPECT_EQ(files(), count) << "something was left behind";
    return said;
  }
};

Type type_in(const gguf::File& file, std::string_view name) {
  const gguf::Tensor* const tensor = file.find(name);
  EXPECT_TRUE(tensor) << name;
  return tensor ? tensor->type : Type::i32;
}

TEST(Quantize, EveryTypeMakesAModel) {
  const Folder folder;
  for (const std::string_view type : type_names()) {
    QuantizeOptions options = plain();
    options.type = type;
    const auto report = quantize(folder.in, folder.out, options);
    const auto model = model::Model::open(folder.out);
    const gguf::File& file = model->file();
    EXPECT_EQ(report.tensors.size(), file.tensors().size()) << type;
    EXPECT_EQ(type_in(file, "blk.0.attn_norm.weight"), Type::f32) << type;
    EXPECT_EQ(file.metadata().integer("general.quantization_version"), 2u);
    for (const auto& tensor : report.tensors) {
      EXPECT_EQ(type_in(file, tensor.name), tensor.to);
      EXPECT_LT(tensor.error, 0.11) << type << " " << tensor.name;  // two bits keep nine tenths
    }
  }
}

TEST(Quantize, MixturesGiveSomeTensorsMore) {
  const Folder folder(deep());
  QuantizeOptions options = plain();
  options.type = "q4_k_m";
  quantize(folder.in, folder.out, options);
  const auto file = gguf::File::open(folder.out);
  EXPECT_EQ(file.metadata().integer("general.file_type"), 15u);
  EXPECT_EQ(type_in(file, "output.weight"), Type::q6_k);
  EXPECT_EQ(type_in(file, "token_embd.weight"), Type::q4_k);
  for (const auto& [layer, more] : {std::pair{0, true}, {1, false}, {2, false}, {3, true}, {6, true}, {7, true}}) {
    EXPECT_EQ(type_in(file, fmt::format("blk.{}.ffn_down.weight", layer)), more ? Type::q6_k : Type::q4_k) << layer;
    EXPECT_EQ(type_in(file, fmt::format("blk.{}.attn_v.weight", layer)), more ? Type::q6_k : Type::q4_k) << layer;
    EXPECT_EQ(type_in(file, fmt::format("blk.{}.attn_q.weight", layer)), Type::q4_k) << layer;
  }
}

TEST(Quantize, ShortRowsFallBack) {
  const Folder folder({{"family", "llama"}, {"keys", {{"feed_forward_length", 80}}}});
  const auto types = [&](const char* type) {
    QuantizeOptions options = plain();
    options.type = type;
    quantize(folder.in, folder.out, options);
    const auto file = gguf::File::open(folder.out);
    return std::vector<Type>{type_in(file, "blk.0.attn_q.weight"), type_in(file, "blk.0.ffn_down.weight"),
                             type_in(file, "output.weight")};
  };
  EXPECT_EQ(types("Q2_K"), (std::vector<Type>{Type::iq4_nl, Type::f16, Type::q8_0}));
  EXPECT_EQ(types("IQ4_XS"), (std::vector<Type>{Type::iq4_nl, Type::f16, Type::q8_0}));
  EXPECT_EQ(types("Q4_K_S"), (std::vector<Type>{Type::q5_0, Type::f16, Type::q8_0}));
  EXPECT_EQ(types("Q5_K_S"), (std::vector<Type>{Type::q5_1, Type::f16, Type::q8_0}));
  EXPECT_EQ(types("Q6_K"), (std::vector<Type>{Type::q8_0, Type::f16, Type::q8_0}));
}

TEST(Quantize, OverridesDecide) {
  const Folder folder;
  QuantizeOptions options = plain();
  options.type = "Q4_0";
  options.overrides = {{"blk\\.0\\.attn_v", Type::q8_0}, {"attn_v", Type::q5_1}, {"norm", Type::f32}};
  options.output_type = Type::q5_0;
  options.embedding_type = Type::bf16;
  quantize(folder.in, folder.out, options);
  const auto file = gguf::File::open(folder.out);
  EXPECT_EQ(type_in(file, "blk.0.attn_v.weight"), Type::q8_0);
  EXPECT_EQ(type_in(file, "blk.1.attn_v.weight"), Type::q5_1);
  EXPECT_EQ(type_in(file, "blk.1.attn_k.weight"), Type::q4_0);
  EXPECT_EQ(type_in(file, "output.weight"), Type::q5_0);
  EXPECT_EQ(type_in(file, "token_embd.weight"), Type::bf16);
}

TEST(Quantize, TellsWhereItCameFrom) {
  const Folder folder;
  quantize(folder.in, folder.out, plain());
  const auto file = gguf::File::open(folder.out);
  EXPECT_EQ(file.metadata().string("hearth.quantize.source_sha256"), sha256_of(folder.in));
  EXPECT_EQ(file.metadata().string("hearth.quantize.source"), "in.gguf");
  EXPECT_EQ(file.metadata().string("hearth.quantize.method"), "nearest");
  EXPECT_EQ(file.metadata().string("hearth.quantize.type"), "Q4_K_M");
  EXPECT_EQ(file.metadata().string("general.architecture"), "llama");
}

TEST(Quantize, ThreadsDoNotChangeTheFile) {
  const Folder folder;
  QuantizeOptions options = plain();
  options.threads = 1;
  quantize(folder.in, folder.out, options);
  const std::string once = sha256_of(folder.out);
  options.threads = 3;
  quantize(folder.in, folder.out, options);
  EXPECT_EQ(sha256_of(folder.out), once);
}

TEST(Quantize, FromCompressedFilesToo) {
  const Folder folder;
  QuantizeOptions options = plain();
  options.type = "Q5_1";
  quantize(folder.in, folder.out, options);
  const auto again = folder.folder.path() / "again.gguf";
  const auto report = quantize(folder.out, again, options);
  for (const auto& tensor : report.tensors) EXPECT_EQ(tensor.from, tensor.to);
  const auto first = gguf::File::open(folder.out), second = gguf::File::open(again);
  const auto a = first.find("blk.0.attn_q.weight")->data, b = second.find("blk.0.attn_q.weight")->data;
  EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end()));
  options.type = "F16";
  quantize(folder.out, again, options);
  EXPECT_EQ(type_in(gguf::File::open(again), "blk.0.attn_q.weight"), Type::f16);
}

TEST(Quantize, ExpertsAreMatricesOfTheirOwn) {
  const Folder folder(mixture_of_experts());
  QuantizeOptions options = plain();
  options.type = "Q8_0";
  quantize(folder.in, folder.out, options);
  const auto original = gguf::File::open(folder.in), file = gguf::File::open(folder.out);
  EXPECT_EQ(type_in(file, "blk.0.ffn_gate_exps.weight"), Type::q8_0);
  EXPECT_EQ(type_in(file, "blk.0.ffn_gate_inp.weight"), Type::f32);
  const auto *a = original.find("blk.0.ffn_gate_exps.weight"), *b = file.find("blk.0.ffn_gate_exps.weight");
  std::vector<float> x(64), y(64);
  tensor::info(a->type).decode(a->matrix(3).row(5), x.data(), 64);
  tensor::info(b->type).decode(b->matrix(3).row(5), y.data(), 64);
  for (std::size_t i = 0; i < 64; ++i) EXPECT_NEAR(x[i], y[i], 0.003f);
}

TEST(Quantize, ImportanceChangesWhatIsKept) {
  const Folder folder;
  Importance importance;
  auto& matrix = importance.matrices["blk.0.attn_q.weight"];
  matrix = {256, std::vector<float>(256, 1.0f), {1}};
  for (std::size_t i = 0; i < 256; i += 4) matrix.sums[i] = 1000;
  const auto path = folder.folder.path() / "i.gguf";
  importance.write(path);
  const auto weighted_error = [&](Method method) {
    QuantizeOptions options = plain();
    options.type = "Q4_0";
    options.method = method;
    if (method == Method::importance) options.importance = path;
    quantize(folder.in, folder.out, options);
    const auto original = gguf::File::open(folder.in), file = gguf::File::open(folder.out);
    const auto *a = original.find("blk.0.attn_q.weight"), *b = file.find("blk.0.attn_q.weight");
    std::vector<float> x(256), y(256);
    double error = 0;
    for (std::size_t row = 0; row < 256; ++row) {
      tensor::info(a->type).decode(a->matrix().row(row), x.data(), 256);
      tensor::info(b->type).decode(b->matrix().row(row), y.data(), 256);
      for (std::size_t i = 0; i < 256; ++i)
        error += double(matrix.sums[i]) * (double(x[i]) - y[i]) * (double(x[i]) - y[i]);
    }
    return error;
  };
  EXPECT_LT(weighted_error(Method::importance), 0.8 * weighted_error(Method::nearest));
}

TEST(Quantize, BadRequestsAreOneClearLine) {
  const Folder folder;
  QuantizeOptions options = plain();
  options.type = "Q9_Z";
  EXPECT_NE(folder.failure(options).find("Q4_K_M"), std::string::npos);
  options = plain();
  options.overrides = {{"(", Type::q8_0}};
  EXPECT_NE(folder.failure(options).find("'('"), std::string::npos);
  options = plain();
  options.method = Method::importance;
  EXPECT_NE(folder.failure(options).find("--importance"), std::string::npos);
  options.importance = folder.in;
  EXPECT_NE(folder.failure(options).find("not 'imatrix'"), std::string::npos);
  options.importance = "/nowhere/i.gguf";
  EXPECT_NE(folder.failure(options).find("/nowhere/i.gguf"), std::string::npos);
  options = plain();
  options.method = Method::feedback;
  EXPECT_NE(folder.failure(options).find("--calibration"), std::string::npos);
  const nlohmann::json spec = {{"family", "llama"}};
  const Folder narrow(spec);
  options = plain();
  options.output_type = Type::q6_k;
  const std::string said = narrow.failure(options);
  EXPECT_NE(said.find("output.weight"), std::string::npos) << said;
  EXPECT_NE(said.find("blocks of 256"), std::string::npos) << said;
}

TEST(Quantize, TheSourceIsNoTarget) {
  Folder folder;
  folder.out = folder.in;
  EXPECT_NE(folder.failure(plain()).find("the input itself"), std::string::npos);
}

TEST(Quantize, NoPartOfASplitSourceIsATarget) {
  Folder folder;
  const tests::Tiny tiny = tests::tiny_model(wide());
  const auto parts = tiny.write_split(folder.folder.path());
  folder.in = parts[0];
  for (const auto& part : parts) {
    folder.out = part;
    EXPECT_NE(folder.failure(plain()).find("the input itself"), std::string::npos);
  }
  folder.out = folder.folder.path() / "out.gguf";
  quantize(folder.in, folder.out, plain());
  const auto file = gguf::File::open(folder.out);
  EXPECT_EQ(file.metadata().string("hearth.quantize.source_sha256"), sha256_of(parts));
  EXPECT_EQ(file.metadata().find("split.count"), nullptr);
  EXPECT_EQ(file.tensors().size(), tiny.tensors.size());
}

TEST(Quantize, WeightsThatAreNoNumbersAreRefused) {
  for (const float odd : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1e6f}) {
    const Folder folder;
    const tests::Tiny tiny = tests::tiny_model(wide());
    gguf::write(folder.in, tiny.metadata, tiny.tensors, [&](const gguf::TensorPlan& plan, const gguf::Sink& sink) {
      std::vector<float> values = tests::Tiny::values_of(plan);
      if (plan.name == "blk.1.ffn_up.weight") values[1000] = odd;
      sink(std::as_bytes(std::span(values)));
    });
    EXPECT_NE(folder.failure(plain()).find("blk.1.ffn_up.weight"), std::string::npos);
  }
}

TEST(Quantize, StoppedLeavesNothing) {
  const Folder folder;
  EXPECT_THROW(quantize(folder.in, folder.out, plain(), [](auto, std::size_t done, auto) { return done < 3; }), Error);
  EXPECT_EQ(folder.files(), 1u);
}

}  // namespace
}  // namespace hearth::compress
