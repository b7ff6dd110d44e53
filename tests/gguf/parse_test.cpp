#include <gtest/gtest.h>

#include <functional>

#include "base/error.h"
#include "gguf/image.h"

namespace hearth::gguf::tests {
namespace {

std::string fault(const std::string& bytes, Code expected = Code::bad_input) {
  try {
    parse(bytes);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), expected) << error.what();
    return error.what();
  }
  return "no fault";
}

std::string fault(const std::function<void(Image&)>& spoil, Code expected = Code::bad_input) {
  Image image = Image::valid();
  spoil(image);
  return fault(image.bytes(), expected);
}

TEST(Parse, ReadsBothVersions) {
  for (const std::uint32_t version : {2, 3}) {
    Image image = Image::valid();
    image.version = version;
    const std::string bytes = image.bytes();
    const File file = parse(bytes);
    EXPECT_EQ(file.version(), version);
    EXPECT_EQ(file.bytes(), bytes.size());
    EXPECT_EQ(file.parts(), 1u);
    EXPECT_EQ(file.path(), "test.gguf");
    EXPECT_EQ(file.metadata().string("general.architecture"), "llama");
    EXPECT_EQ(file.metadata().strings("tokenizer.ggml.tokens"), (std::vector<std::string>{"a", "bc"}));
    ASSERT_EQ(file.tensors().size(), 2u);
    const Tensor* tensor = file.find("blk.0.weight");
    ASSERT_NE(tensor, nullptr);
    EXPECT_EQ(tensor->type, tensor::Type::q8_0);
    EXPECT_EQ(tensor->shape, (std::vector<std::uint64_t>{32, 3}));
    EXPECT_EQ(tensor->data.size(), 102u);
    EXPECT_EQ(tensor->data[0], std::byte{'q'});
    EXPECT_EQ(file.find("blk.1.weight"), nullptr);
  }
}

TEST(Parse, AVocabularyAloneNeedsNoData) {
  Image image = Image::valid();
  image.tensors.clear();
  image.alignment = 1;
  EXPECT_TRUE(parse(image.bytes()).tensors().empty());
}

TEST(Parse, ReadsAnotherAlignment) {
  Image image = Image::valid();
  image.entries.push_back({"general.alignment", u32(4) + u32(128)});
  image.alignment = 128;
  image.tensors[1].offset = 128;
  const std::string bytes = image.bytes();
  const File file = parse(bytes);
  EXPECT_EQ(file.alignment(), 128u);
  EXPECT_EQ(file.tensors()[1].data[101], std::byte{'q'});
}

TEST(Parse, NamesAFaultyHead) {
  EXPECT_EQ(fault(std::string("{\"a\":1}\n")), "not a GGUF file, test.gguf");
  EXPECT_EQ(fault(std::string("GG")), "truncated: the magic number needs 4 bytes, 2 are left, test.gguf at byte 0");
  EXPECT_EQ(fault(std::string("GGUF\3")), "truncated: the version needs 4 bytes, 1 are left, test.gguf at byte 4");
  EXPECT_EQ(fault([](Image& i) { i.magic = "tjgg"; }, Code::unsupported),
            "a GGML file, older than GGUF, test.gguf, fetch the model as GGUF");
  EXPECT_EQ(fault([](Image& i) { i.version = 1; }, Code::unsupported),
            "GGUF version 1; versions 2 and 3 are read, test.gguf");
  EXPECT_EQ(fault([](Image& i) { i.version = 0; }, Code::unsupported),
            "GGUF version 0; versions 2 and 3 are read, test.gguf");
  EXPECT_EQ(fault([](Image& i) { i.version = 3u << 24; }, Code::unsupported),
            "a big-endian GGUF file; only little-endian ones are read, test.gguf");
  EXPECT_EQ(fault([](Image& i) { i.tensor_count = 1u << 20; }),
            "the number of tensors is 1048576, more than the 464 bytes left can hold, test.gguf at byte 16");
  EXPECT_EQ(fault([](Image& i) { i.entry_count = ~std::uint64_t{1}; }),
            "the number of keys is 18446744073709551614, more than the 456 bytes left can hold, test.gguf at byte 24");
}

TEST(Parse, NamesAFaultyKey) {
  EXPECT_EQ(fault([](Image& i) { i.entries[1].first = ""; }), "a key is empty, test.gguf");
  EXPECT_EQ(fault([](Image& i) { i.entries[1].first = "a b\n"; }),
            "the key \"a b \" holds a byte that no key may hold, test.gguf");
  EXPECT_EQ(fault([](Image& i) { i.entries[1].first = std::string(70000, 'k'); }),
            "the key \"" + std::string(80, 'k') + "...\" is 70000 bytes long, at most 65535 are allowed, test.gguf");
  EXPECT_EQ(fault([](Image& i) { i.entries[1].first = "general.architecture"; }),
            "the key general.architecture appears twice, test.gguf");
}

TEST(Parse, NamesAFaultyValue) {
  EXPECT_EQ(fault([](Image& i) { i.entries[1].second = u32(13) + u32(0); }),
            "llama.block_count has the unknown value type 13, test.gguf at byte 98");
  EXPECT_EQ(fault([](Image& i) { i.entries[1].second = u32(7) + "\2"; }),
            "llama.block_count holds a boolean of 2, neither 0 nor 1, test.gguf at byte 99");
  EXPECT_EQ(fault([](Image& i) { i.entries[0].second = u32(8) + u64(100000); }),
            "truncated: general.architecture needs 100000 bytes, 416 are left, test.gguf at byte 64");
  EXPECT_EQ(fault([](Image& i) { i.entries[2].second = u32(9) + u32(8) + u64(std::uint64_t{1} << 60); }),
            "the length of tokenizer.ggml.tokens is 1152921504606846976, more than the 333 bytes left can hold, "
            "test.gguf at byte 147");
  EXPECT_EQ(fault([](Image& i) { i.entries[2].second = u32(9) + u32(77) + u64(0); }),
            "tokenizer.ggml.tokens has the unknown value type 77, test.gguf at byte 139");
  std::string deep = u32(9);
  for (int depth = 0; depth < 6; ++depth) deep += u32(9) + u64(1);
  EXPECT_EQ(fault([&](Image& i) { i.entries[3].second = deep; }),
            "nested nests arrays deeper than 4, test.gguf at byte 232");
  EXPECT_EQ(fault([](Image& i) { i.entries[1].first = "general.alignment"; }),
            "general.alignment is 2, not a power of two from 8 to 2^31, test.gguf");
  EXPECT_EQ(fault([](Image& i) {
              i.entries[1] = {"general.alignment", u32(4) + u32(48)};
            }),
            "general.alignment is 48, not a power of two from 8 to 2^31, test.gguf");
}

TEST(Parse, NamesAFaultyTensor) {
  EXPECT_EQ(fault([](Image& i) { i.tensors[1].name = "output.weight"; }),
            "tensor output.weight appears twice, test.gguf");
  EXPECT_EQ(fault([](Image& i) { i.tensors[1].name = ""; }), "a tensor has no name, test.gguf");
  EXPECT_EQ(fault([](Image& i) { i.tensors[1].name = std::string(65, 't'); }),
            "the tensor name \"" + std::string(65, 't') + "\" is 65 bytes long, at most 64 are allowed, test.gguf");
  EXPECT_EQ(fault([](Image& i) { i.tensors[1].name = "a\tb"; }),
            "the tensor name \"a b\" holds a control character, test.gguf");
  EXPECT_EQ(fault([](Image& i) { i.tensors[1].shape = {}; }),
            "tensor blk.0.weight has 0 dimensions, 1 to 4 are allowed, test.gguf at byte 287");
  EXPECT_EQ(fault([](Image& i) {
              i.tensors[1].shape = {32, 1, 1, 1, 1};
            }),
            "tensor blk.0.weight has 5 dimensions, 1 to 4 are allowed, test.gguf at byte 287");
  EXPECT_EQ(fault([](Image& i) {
              i.tensors[1].shape = {32, 0};
            }),
            "tensor blk.0.weight has a dimension of 0: [32, 0], test.gguf");
  EXPECT_EQ(fault([](Image& i) {
              i.tensors[1].shape = {32, std::uint64_t{1} << 60};
            }),
            "tensor blk.0.weight is too large: [32, 1152921504606846976], test.gguf");
  EXPECT_EQ(fault([](Image& i) { i.tensors[0].shape = {std::uint64_t{1} << 63}; }),
            "tensor output.weight is too large: [9223372036854775808], test.gguf");
  EXPECT_EQ(fault([](Image& i) {
              i.tensors[1].shape = {33, 3};
            }),
            "tensor blk.0.weight has rows of 33, not a multiple of the 32 weights in a block of Q8_0, test.gguf");
  EXPECT_EQ(fault([](Image& i) { i.tensors[1].type = 99; }, Code::unsupported),
            "tensor blk.0.weight is of type 99, which this program does not read, test.gguf");
  EXPECT_EQ(fault([](Image& i) { i.tensors[1].type = 16; }, Code::unsupported),
            "tensor blk.0.weight is of type 16 (IQ2_XXS), which this program does not read, test.gguf");
  EXPECT_EQ(fault([](Image& i) { i.tensors[1].offset = 33; }),
            "tensor blk.0.weight starts at 33, not a multiple of the alignment 32, test.gguf at byte 315");
  EXPECT_EQ(fault([](Image& i) { i.tensors[1].offset = 64; }),
            "tensor blk.0.weight lies outside the file: 102 bytes from 64, of 160, test.gguf, "
            "the file is damaged or not complete");
  EXPECT_EQ(fault([](Image& i) { i.tensors[1].offset = ~std::uint64_t{31}; }),
            "tensor blk.0.weight lies outside the file: 102 bytes from 18446744073709551584, of 160, test.gguf, "
            "the file is damaged or not complete");
  EXPECT_EQ(fault([](Image& i) { i.tensors[1].offset = 0; }),
            "tensors output.weight and blk.0.weight overlap, test.gguf");
}

// Whatever happens to a byte or to the length, the file opens or the error is of the two kinds that input may cause.
void expect_opens_or_fails(const std::string& bytes) {
  try {
    const File file = parse(bytes);
    for (const Tensor& tensor : file.tensors()) EXPECT_FALSE(tensor.data.empty());
  } catch (const Error& error) {
    EXPECT_TRUE(error.code() == Code::bad_input || error.code() == Code::unsupported) << error.what();
    EXPECT_NE(std::string_view(error.what()).find("test.gguf"), std::string_view::npos) << error.what();
  }
}

TEST(Parse, SurvivesEveryFlippedByte) {
  const std::string valid = Image::valid().bytes();
  for (std::size_t position = 0; position < valid.size(); ++position)
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string bytes = valid;
      bytes[position] = static_cast<char>(bytes[position] ^ flip);
      expect_opens_or_fails(bytes);
    }
}

TEST(Parse, RefusesEveryTruncation) {
  const std::string valid = Image::valid().bytes();
  const std::size_t end = valid.find_last_of('q') + 1;  // padding at the end may be missing
  EXPECT_NO_THROW(parse(valid.substr(0, end)));
  for (std::size_t length = 0; length < end; ++length) EXPECT_THROW(parse(valid.substr(0, length)), Error) << length;
}

TEST(Parse, ManyKeysTakeLinearTime) {
  Image image;
  for (int i = 0; i < 100000; ++i) image.entries.push_back({"k" + std::to_string(i), u32(0) + "x"});
  EXPECT_EQ(parse(image.bytes()).metadata().entries().size(), 100000u);
}

}  // namespace
}  // namespace hearth::gguf::tests
