#include "gguf/metadata.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/error.h"

namespace hearth::gguf {
namespace {

Metadata sample() {
  Metadata metadata("test.gguf");
  metadata.set("small", {std::uint8_t{7}});
  metadata.set("negative", {std::int32_t{-3}});
  metadata.set("large", {std::numeric_limits<std::uint64_t>::max()});
  metadata.set("half", {0.5f});
  metadata.set("yes", {true});
  metadata.set("name", {std::string("hearth")});
  metadata.set("words", {Array(std::vector<std::string>{"a", "b"})});
  metadata.set("shorts", {Array(std::vector<std::int16_t>{-1, 2})});
  metadata.set("longs", {Array(std::vector<std::uint64_t>{1, std::numeric_limits<std::uint64_t>::max()})});
  metadata.set("floats", {Array(std::vector<float>{0.25f, 2})});
  metadata.set("flags", {Array(std::vector<bool>{true, false})});
  metadata.set("nested", {Array(std::vector<Value>{{Array(std::vector<std::uint8_t>{1})}})});
  return metadata;
}

template <class Call>
std::string fault(Code code, Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  return "no fault";
}

TEST(Metadata, ConvertsNumbersThatFit) {
  const Metadata metadata = sample();
  EXPECT_EQ(metadata.integer("small"), 7u);
  EXPECT_EQ(metadata.integer("large"), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(metadata.integer("absent", 5), 5u);
  EXPECT_EQ(metadata.number("half"), 0.5);
  EXPECT_EQ(metadata.number("negative"), -3.0);
  EXPECT_EQ(metadata.number("absent", 1.5), 1.5);
  EXPECT_TRUE(metadata.boolean("yes", false));
  EXPECT_TRUE(metadata.boolean("absent", true));
  EXPECT_EQ(metadata.string("name"), "hearth");
  EXPECT_EQ(metadata.string("absent", "else"), "else");
  EXPECT_EQ(metadata.strings("words").size(), 2u);
}

TEST(Metadata, ConvertsArrays) {
  const Metadata metadata = sample();
  EXPECT_EQ(metadata.integers("shorts"), (std::vector<std::int64_t>{-1, 2}));
  EXPECT_EQ(metadata.integers("flags"), (std::vector<std::int64_t>{1, 0}));
  EXPECT_EQ(metadata.integers("small"), (std::vector<std::int64_t>{7}));
  EXPECT_EQ(metadata.numbers("floats"), (std::vector<double>{0.25, 2}));
  EXPECT_EQ(metadata.numbers("half"), (std::vector<double>{0.5}));
  EXPECT_TRUE(metadata.numbers("absent").empty());
  EXPECT_TRUE(metadata.integers("absent").empty());
}

TEST(Metadata, NamesWhatDoesNotFit) {
  const Metadata m = sample();
  EXPECT_EQ(fault(Code::not_found, [&] { m.integer("absent"); }), "the key absent is missing, test.gguf");
  EXPECT_EQ(fault(Code::bad_input, [&] { m.integer("negative"); }), "negative is -3, which is out of range, test.gguf");
  EXPECT_EQ(fault(Code::bad_input, [&] { m.integer("half", 1); }),
            "half is of type float32 where an integer is needed, test.gguf");
  EXPECT_EQ(fault(Code::bad_input, [&] { m.number("name"); }),
            "name is of type string where a number is needed, test.gguf");
  EXPECT_EQ(fault(Code::bad_input, [&] { m.boolean("small", true); }),
            "small is of type uint8 where a boolean is needed, test.gguf");
  EXPECT_EQ(fault(Code::bad_input, [&] { m.string("words"); }),
            "words is of type array of 2 string where a string is needed, test.gguf");
  EXPECT_EQ(fault(Code::bad_input, [&] { m.strings("shorts"); }),
            "shorts is of type array of 2 int16 where an array of strings is needed, test.gguf");
  EXPECT_EQ(fault(Code::bad_input, [&] { m.integers("floats"); }),
            "floats is of type array of 2 float32 where an integer or an array of integers is needed, test.gguf");
  EXPECT_EQ(fault(Code::bad_input, [&] { m.integers("longs"); }),
            "longs is 18446744073709551615, which is out of range, test.gguf");
  EXPECT_EQ(fault(Code::bad_input, [&] { m.numbers("nested"); }),
            "nested is of type array of 1 array where a number or an array of numbers is needed, test.gguf");
}

TEST(Metadata, SetReplacesInPlaceAndEraseRemoves) {
  Metadata metadata = sample();
  const std::size_t count = metadata.entries().size();
  metadata.set("small", {std::string("other")});
  EXPECT_EQ(metadata.entries().size(), count);
  EXPECT_EQ(metadata.entries()[0].second, (Value{std::string("other")}));
  metadata.erase("small");
  EXPECT_FALSE(metadata.has("small"));
  EXPECT_EQ(metadata.entries().size(), count - 1);
}

TEST(Metadata, RefusesAKeyTwice) {
  EXPECT_EQ(fault(Code::bad_input,
                  [] {
                    Metadata("test.gguf", {{"b", {true}}, {"a", {true}}, {"b", {std::uint8_t{1}}}});
                  }),
            "the key b appears twice, test.gguf");
}

TEST(Metadata, NamesTypesAsTheFormatDoes) {
  EXPECT_EQ(type_name({std::uint8_t{}}), "uint8");
  EXPECT_EQ(type_name({double{}}), "float64");
  EXPECT_EQ(type_name({Array(std::vector<std::uint64_t>(3))}), "array of 3 uint64");
  EXPECT_EQ(type_name({Array(std::vector<double>())}), "array of 0 float64");
  EXPECT_EQ(type_name({Array(std::vector<Value>())}), "array of 0 array");
}

}  // namespace
}  // namespace hearth::gguf
