#include "base/utf8.h"

#include <gtest/gtest.h>

namespace hearth {
namespace {

TEST(Utf8, AcceptsWhatIsWellFormed) {
  for (std::string_view text :
       {"", "plain", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\xa6\x99", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf"})
    EXPECT_TRUE(is_utf8(text)) << text;
}

TEST(Utf8, StopsAtTheFirstFault) {
  EXPECT_EQ(utf8_valid_prefix("ab\xff"), 2u);
  EXPECT_EQ(utf8_valid_prefix("a\xc3"), 1u);             // cut short
  EXPECT_EQ(utf8_valid_prefix("\xc0\xaf"), 0u);          // overlong
  EXPECT_EQ(utf8_valid_prefix("\xe0\x9f\xbf"), 0u);      // overlong
  EXPECT_EQ(utf8_valid_prefix("\xed\xa0\x80"), 0u);      // a surrogate
  EXPECT_EQ(utf8_valid_prefix("\xf4\x90\x80\x80"), 0u);  // beyond U+10FFFF
  EXPECT_EQ(utf8_valid_prefix("x\xe2\x82z"), 1u);
}

}  // namespace
}  // namespace hearth
