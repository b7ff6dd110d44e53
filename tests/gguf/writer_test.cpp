#include "gguf/writer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "base/error.h"
#include "gguf/file.h"
#include "temporary.h"

namespace hearth::gguf {
namespace {

Metadata every_type() {
  Metadata m;
  m.set("u8", {std::uint8_t{200}});
  m.set("i8", {std::int8_t{-100}});
  m.set("u16", {std::uint16_t{60000}});
  m.set("i16", {std::int16_t{-30000}});
  m.set("u32", {std::uint32_t{4000000000}});
  m.set("i32", {std::int32_t{-2000000000}});
  m.set("f32", {1.5f});
  m.set("bool", {true});
  m.set("string", {std::string("zw\xc3\xb6lf \0 null", 13)});
  m.set("u64", {~std::uint64_t{0}});
  m.set("i64", {std::int64_t{-1} << 62});
  m.set("f64", {0.1});
  m.set("a.u8", {Array(std::vector<std::uint8_t>{1, 2})});
  m.set("a.i8", {Array(std::vector<std::int8_t>{-1})});
  m.set("a.u16", {Array(std::vector<std::uint16_t>{1, 2, 3})});
  m.set("a.i16", {Array(std::vector<std::int16_t>{-1})});
  m.set("a.u32", {Array(std::vector<std::uint32_t>{})});
  m.set("a.i32", {Array(std::vector<std::int32_t>{-5, 5})});
  m.set("a.f32", {Array(std::vector<float>{-0.5f})});
  m.set("a.bool", {Array(std::vector<bool>{true, false, true})});
  m.set("a.string", {Array(std::vector<std::string>{"", "x", "a longer string than fits inside"})});
  m.set("a.u64", {Array(std::vector<std::uint64_t>{7})});
  m.set("a.i64", {Array(std::vector<std::int64_t>{-7})});
  m.set("a.f64", {Array(std::vector<double>{2.5})});
  m.set("a.a", {Array(std::vector<Value>{{Array(std::vector<std::string>{"in"})},
                                         {Array(std::vector<Value>{{Array(std::vector<std::uint8_t>{9})}})}})});
  return m;
}

std::vector<TensorPlan> every_tensor_type() {
  std::vector<TensorPlan> plan;
  for (const tensor::TypeInfo& type : tensor::types())
    plan.push_back({"t." + std::string(type.name), type.type, {type.block_weights * 2, 3}});
  plan.push_back({"one", tensor::Type::f32, {5}});
  plan.push_back({"three", tensor::Type::f32, {2, 3, 4}});
  plan.push_back({"four", tensor::Type::f16, {1, 2, 3, 2}});
  return plan;
}

// Each byte of a tensor tells whose it is.
std::vector<std::byte> content(const TensorPlan& tensor) {
  return std::vector<std::byte>(bytes(tensor), std::byte(tensor.name.back() ^ tensor.name[2]));
}

TEST(Writer, RoundTripsEveryTypeAtEveryAlignment) {
  const tests::TemporaryFolder folder;
  const auto path = folder.path() / "all.gguf";
  for (const std::uint32_t alignment : {8, 32, 4096}) {
    Metadata metadata = every_type();
    metadata.set("general.alignment", {alignment});
    const auto plan = every_tensor_type();
    write(path, metadata, plan, [](const TensorPlan& tensor, const Sink& sink) {
      const auto bytes = content(tensor);
      sink(std::span(bytes).first(1));
      sink(std::span(bytes).subspan(1));
    });
    const File file = File::open(path);
    EXPECT_EQ(file.version(), 3u);
    EXPECT_EQ(file.alignment(), alignment);
    ASSERT_EQ(file.metadata().entries().size(), metadata.entries().size());
    for (std::size_t i = 0; i < metadata.entries().size(); ++i)
      EXPECT_EQ(file.metadata().entries()[i], metadata.entries()[i]) << metadata.entries()[i].first;
    ASSERT_EQ(file.tensors().size(), plan.size());
    for (std::size_t i = 0; i < plan.size(); ++i) {
      const Tensor& tensor = file.tensors()[i];
      EXPECT_EQ(tensor.name, plan[i].name);
      EXPECT_EQ(tensor.type, plan[i].type);
      EXPECT_EQ(tensor.shape, plan[i].shape);
      EXPECT_TRUE(std::ranges::equal(tensor.data, content(plan[i]))) << tensor.name;
      EXPECT_EQ((reinterpret_cast<std::uintptr_t>(tensor.data.data()) % alignment), 0u);
    }
  }
}

TEST(Writer, FoldsShapesToMatrices) {
  const tests::TemporaryFolder folder;
  write(folder.path() / "m.gguf", Metadata(), {{"three", tensor::Type::f32, {2, 3, 4}}},
        [](const TensorPlan& tensor, const Sink& sink) { sink(content(tensor)); });
  const File file = File::open(folder.path() / "m.gguf");
  const Tensor& tensor = *file.find("three");
  EXPECT_EQ(tensor.elements(), 24u);
  EXPECT_EQ(tensor.matrix().rows, 12u);
  EXPECT_EQ(tensor.matrix().columns, 2u);
  EXPECT_EQ(tensor.matrix(2).rows, 3u);
  EXPECT_EQ(tensor.matrix(2).data - tensor.data.data(), 2 * 3 * 2 * 4);
}

TEST(Writer, LeavesNothingBehindWhenFillFails) {
  const tests::TemporaryFolder folder;
  const auto path = folder.path() / "half.gguf";
  const std::vector<TensorPlan> plan = {{"a", tensor::Type::f32, {4}}};
  const auto supply = [&](std::size_t count) {
    write(path, Metadata(), plan, [&](const TensorPlan&, const Sink& sink) { sink(std::vector<std::byte>(count)); });
  };
  EXPECT_THROW(supply(15), Error);
  EXPECT_THROW(supply(17), Error);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  supply(16);
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST(Writer, RefusesWhatTheFormatDoesNotAllow) {
  const tests::TemporaryFolder folder;
  const auto path = folder.path() / "bad.gguf";
  const auto refuse = [&](const Metadata& metadata, const std::vector<TensorPlan>& plan) -> std::string {
    try {
      write(path, metadata, plan, [](const TensorPlan& tensor, const Sink& sink) { sink(content(tensor)); });
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::bad_input);
      const std::string what = error.what();
      return what.substr(0, what.find(", /"));
    }
    return "no fault";
  };
  using tensor::Type;
  EXPECT_EQ(refuse(Metadata(), {{"abc", Type::f32, {1}}, {"abc", Type::f32, {1}}}), "tensor abc appears twice");
  EXPECT_EQ(refuse(Metadata(), {{"abc", Type::q8_0, {33}}}),
            "tensor abc has rows of 33, not a multiple of the 32 weights in a block of Q8_0");
  EXPECT_EQ(refuse(Metadata(), {{"abc", Type::f32, {}}}), "tensor abc has 0 dimensions, 1 to 4 are allowed");
  Metadata metadata("/x");
  metadata.set("general.alignment", {std::uint32_t{3}});
  EXPECT_EQ(refuse(metadata, {}), "general.alignment is 3, not a power of two from 8 to 2^31");
  Metadata spaced;
  spaced.set("a key", {true});
  EXPECT_EQ(refuse(spaced, {}), "the key \"a key\" holds a byte that no key may hold");
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace hearth::gguf
