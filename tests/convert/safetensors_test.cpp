#include "convert/safetensors.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "convert/files.h"
#include "temporary.h"

namespace hearth::convert::tests {
namespace {

std::string fault(const std::string& bytes, Code code = Code::bad_input) {
  try {
    parse_safetensors(std::as_bytes(std::span(bytes)), "w.safetensors");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  return "no fault";
}

std::string fault_of(const std::string& header, std::size_t data = 16, Code code = Code::bad_input) {
  return fault(safetensors_image(header, std::string(data, '\0')), code);
}

TEST(Safetensors, ReadsEveryType) {
  SafetensorsImage image;
  image.add("f64", "F64", {2}, raw<double>({1.5, -2}))
      .add("f32", "F32", {1, 2}, raw<float>({0.25f, 3}))
      .add("f16", "F16", {2}, raw<std::uint16_t>({0x3c00, 0xc000}))
      .add("bf16", "BF16", {2}, raw<std::uint16_t>({0x3f80, 0xbf00}))
      .add("i64", "I64", {1}, raw<std::int64_t>({-7}))
      .add("i32", "I32", {}, raw<std::int32_t>({5}))
      .add("i16", "I16", {1}, raw<std::int16_t>({5}))
      .add("i8", "I8", {3}, "abc")
      .add("u8", "U8", {0, 7}, "")
      .add("bool", "BOOL", {1}, "\1");
  const std::string bytes = image.image();
  const auto tensors = parse_safetensors(std::as_bytes(std::span(bytes)), "w.safetensors");
  ASSERT_EQ(tensors.size(), 10u);
  const std::vector<std::vector<float>> expected = {{1.5f, -2}, {0.25f, 3}, {1, -2}, {1, -0.5f}};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    std::vector<float> values(tensors[i].elements());
    to_float(tensors[i].dtype, tensors[i].data, values);
    EXPECT_EQ(values, expected[i]) << tensors[i].name;
    EXPECT_TRUE(is_float(tensors[i].dtype));
  }
  EXPECT_EQ(tensors[4].name, "i64");
  EXPECT_FALSE(is_float(tensors[4].dtype));
  EXPECT_EQ(tensors[5].elements(), 1u);
}

TEST(Safetensors, NamesAFaultyFile) {
  EXPECT_EQ(fault("1234"), "truncated: the length of the header needs 8 bytes, 4 are left, w.safetensors at byte 0");
  EXPECT_EQ(fault(safetensors_image("{}", "").substr(0, 9)),
            "the header of 2 bytes does not fit; not a safetensors file, or not complete, w.safetensors at byte 8");
  EXPECT_EQ(fault(std::string(20, '\xff')),
            "the header of 18446744073709551615 bytes does not fit; not a safetensors file, or not complete, "
            "w.safetensors at byte 8");
  EXPECT_EQ(fault_of("[]"), "not a JSON object, w.safetensors");
  EXPECT_EQ(fault_of(std::string(100, '[')), "JSON nests deeper than 64, w.safetensors");
  EXPECT_EQ(fault_of("{nonsense").substr(0, 34), "parse error at line 1, column 3: s");
  const std::string entry = R"({"dtype":"F32","shape":[4],"data_offsets":[0,16]})";
  EXPECT_EQ(fault_of(R"({"w":)" + entry + R"(,"w":)" + entry + "}"), "\"w\" appears twice, w.safetensors");
  EXPECT_EQ(fault_of(R"({"w":)" + entry + R"(,"v":)" + entry + "}"),
            "tensor w starts at byte 0, where 16 is the next, w.safetensors");
  EXPECT_EQ(fault_of(R"({"w":)" + entry + "}", 20), "4 bytes at the end belong to no tensor, w.safetensors");
}

TEST(Safetensors, NamesAFaultyTensor) {
  const auto entry = [](const char* text) { return std::string(R"({"w":)") + text + "}"; };
  EXPECT_EQ(fault_of(entry("3")), "tensor w is not described by an object, w.safetensors");
  EXPECT_EQ(fault_of(entry(R"({"shape":[4],"data_offsets":[0,16]})")), "tensor w has no dtype, w.safetensors");
  EXPECT_EQ(fault_of(entry(R"({"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,16]})"), 16, Code::unsupported),
            "tensor w is of type F8_E4M3, which this program does not read, w.safetensors");
  EXPECT_EQ(fault_of(entry(R"({"dtype":"F32","data_offsets":[0,16]})")), "tensor w has no list shape, w.safetensors");
  EXPECT_EQ(fault_of(entry(R"({"dtype":"F32","shape":[-4],"data_offsets":[0,16]})")),
            "tensor w has a shape that is no list of sizes, w.safetensors");
  EXPECT_EQ(fault_of(entry(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,16]})")),
            "tensor w is too large, w.safetensors");
  EXPECT_EQ(fault_of(entry(R"({"dtype":"F32","shape":[4],"data_offsets":[0]})")),
            "tensor w has data_offsets that are no pair of offsets, w.safetensors");
  EXPECT_EQ(fault_of(entry(R"({"dtype":"F32","shape":[4],"data_offsets":[16,0]})")),
            "tensor w lies outside the file: bytes 16 to 0, of 16, w.safetensors");
  EXPECT_EQ(fault_of(entry(R"({"dtype":"F32","shape":[4],"data_offsets":[0,17]})")),
            "tensor w lies outside the file: bytes 0 to 17, of 16, w.safetensors");
  EXPECT_EQ(fault_of(entry(R"({"dtype":"F32","shape":[3],"data_offsets":[0,16]})")),
            "tensor w has 16 bytes, where its shape and type need 12, w.safetensors");
  EXPECT_EQ(fault_of(entry(R"({"dtype":"F32","shape":[2],"data_offsets":[8,16]})")),
            "tensor w starts at byte 8, where 0 is the next, w.safetensors");
}

TEST(Safetensors, SurvivesEveryFlippedByte) {
  const std::string valid =
      SafetensorsImage().add("a", "F32", {2}, raw<float>({1, 2})).add("b", "U8", {1}, "x").image();
  for (std::size_t position = 0; position < valid.size(); ++position)
    for (const int flip : {0x01, 0x20, 0xff}) {
      std::string bytes = valid;
      bytes[position] = static_cast<char>(bytes[position] ^ flip);
      try {
        parse_safetensors(std::as_bytes(std::span(bytes)), "w.safetensors");
      } catch (const Error& error) {
        EXPECT_TRUE(error.code() == Code::bad_input || error.code() == Code::unsupported) << error.what();
      }
    }
}

// A folder with two shards and their index.
struct Shards {
  hearth::tests::TemporaryFolder folder;
  nlohmann::json map = {{"a", "1.safetensors"}, {"b", "2.safetensors"}};

  Shards() {
    save(folder.path() / "1.safetensors", SafetensorsImage().add("a", "F32", {1}, raw<float>({1})).image());
    save(folder.path() / "2.safetensors", SafetensorsImage().add("b", "F32", {1}, raw<float>({2})).image());
  }
  std::string fault(Code code) const {
    save(folder.path() / "model.safetensors.index.json", nlohmann::json{{"weight_map", map}}.dump());
    try {
      Safetensors::open(folder.path());
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code);
      const std::string what = error.what();
      return what.substr(0, what.find(", /"));
    }
    return "no fault";
  }
};

TEST(Safetensors, OpensShards) {
  Shards shards;
  EXPECT_EQ(shards.fault(Code::internal), "no fault");
  const Safetensors weights = Safetensors::open(shards.folder.path());
  EXPECT_EQ(weights.tensors().size(), 2u);
  ASSERT_NE(weights.find("b"), nullptr);
  std::vector<float> value(1);
  to_float(Dtype::f32, weights.find("b")->data, value);
  EXPECT_EQ(value[0], 2);
  weights.release(*weights.find("b"));
}

TEST(Safetensors, NamesShardsThatAreMissingOrDisagree) {
  Shards shards;
  shards.map["c"] = "3.safetensors";
  EXPECT_EQ(shards.fault(Code::not_found), "the shard 3.safetensors is missing");
  shards.map["c"] = "2.safetensors";
  EXPECT_EQ(shards.fault(Code::bad_input), "tensor c is in none of the shards");
  shards.map["c"] = "../2.safetensors";
  EXPECT_EQ(shards.fault(Code::bad_input),
            "weight_map names the shard \"../2.safetensors\", which is no file beside it");
  shards.map["c"] = 3;
  EXPECT_EQ(shards.fault(Code::bad_input), "weight_map names a shard that is no string");
  shards.map = nlohmann::json::object();
  EXPECT_EQ(shards.fault(Code::bad_input), "weight_map is empty");
  shards.map = {{"a", "1.safetensors"}, {"b", "copy.safetensors"}};
  std::filesystem::copy_file(shards.folder.path() / "1.safetensors", shards.folder.path() / "copy.safetensors");
  EXPECT_EQ(shards.fault(Code::bad_input), "tensor a stands in another shard too");
}

TEST(Safetensors, SaysWhatAFolderLacks) {
  const hearth::tests::TemporaryFolder folder;
  save(folder.path() / "pytorch_model.bin", "x");
  try {
    Safetensors::open(folder.path());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::not_found);
    EXPECT_NE(std::string_view(error.what()).find("pytorch_model.bin"), std::string_view::npos);
  }
}

}  // namespace
}  // namespace hearth::convert::tests
