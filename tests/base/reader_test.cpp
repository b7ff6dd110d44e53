#include "base/reader.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace hearth {
namespace {

template <class Call>
std::string fault(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::bad_input);
    return error.what();
  }
  return "no fault";
}

TEST(Reader, ReadsInOrder) {
  const std::string bytes(
      "\x01\x02\x00\x00\x80\x3f"
      "abcd",
      10);
  Reader reader(std::as_bytes(std::span(bytes)), "x.bin");
  EXPECT_EQ(reader.read<std::uint16_t>("a"), 0x0201);
  EXPECT_EQ(reader.read<float>("b"), 1.0f);
  EXPECT_EQ(reader.take_text(3, "c"), "abc");
  EXPECT_EQ(reader.position(), 9u);
  EXPECT_EQ(reader.left(), 1u);
  reader.seek(10, "the end");
  EXPECT_EQ(reader.take(0, "nothing").size(), 0u);
}

TEST(Reader, NamesWhatIsMissing) {
  const std::string bytes = "abc";
  Reader reader(std::as_bytes(std::span(bytes)), "x.bin");
  EXPECT_EQ(fault([&] { reader.read<std::uint32_t>("a count"); }),
            "truncated: a count needs 4 bytes, 3 are left, x.bin at byte 0");
  EXPECT_EQ(fault([&] { reader.take(~std::uint64_t{0}, "a text"); }),
            "truncated: a text needs 18446744073709551615 bytes, 3 are left, x.bin at byte 0");
  EXPECT_EQ(fault([&] { reader.seek(4, "a table"); }), "a table lies outside: byte 4 of 3, x.bin at byte 0");
  reader.take(2, "a text");
  EXPECT_EQ(fault([&] { reader.fail("odd"); }), "odd, x.bin at byte 2");
}

TEST(Reader, ChecksArithmetic) {
  constexpr std::uint64_t half = std::uint64_t{1} << 63;
  EXPECT_EQ(checked_multiply(half, 1, "x"), half);
  EXPECT_EQ(checked_add(half, half - 1, "x"), ~std::uint64_t{0});
  EXPECT_EQ(fault([] { checked_multiply(half, 2, "the tensor"); }), "the tensor is too large");
  EXPECT_EQ(fault([] { checked_add(half, half, "the offset"); }), "the offset is too large");
}

}  // namespace
}  // namespace hearth
