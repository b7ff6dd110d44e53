#include "base/error.h"

#include <gtest/gtest.h>

namespace hearth {
namespace {

TEST(Error, IsOneLineOfWhatWhereAndAdvice) {
  EXPECT_STREQ(Error(Code::io, "disk full").what(), "disk full");
  EXPECT_STREQ(Error(Code::io, "disk full", "a.gguf").what(), "disk full, a.gguf");
  EXPECT_STREQ(Error(Code::io, "disk full", "", "free some").what(), "disk full, free some");
  EXPECT_STREQ(Error(Code::io, "key a\nb\x7f", "c\td", "e").what(), "key a b , c d, e");
  EXPECT_STREQ(Error(Code::io, "a name\xff of \xc3\xa9\xc3", "\xe2\x82").what(), "a name? of \xc3\xa9?, ??");
  EXPECT_EQ(Error(Code::too_long, "x").code(), Code::too_long);
}

TEST(Error, AFailedCheckIsOurOwnMistake) {
  EXPECT_NO_THROW(HEARTH_CHECK(1 + 1 == 2));
  try {
    HEARTH_CHECK(1 + 1 == 3);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::internal);
    EXPECT_NE(std::string_view(error.what()).find("1 + 1 == 3"), std::string_view::npos);
    EXPECT_NE(std::string_view(error.what()).find("error_test.cpp"), std::string_view::npos);
  }
}

}  // namespace
}  // namespace hearth
