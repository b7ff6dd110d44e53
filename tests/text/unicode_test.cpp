#include "text/unicode.h"

#include <gtest/gtest.h>

#include "cpu_seconds.h"

namespace hearth::text {
namespace {

TEST(Unicode, Composes) {
  EXPECT_EQ(composed("plain"), "plain");
  EXPECT_EQ(composed("cafe\u0301 n\u0303"), "caf\u00e9 \u00f1");
  EXPECT_EQ(composed("\u1112\u1161\u11ab"), "\ud55c");                        // Hangul
  EXPECT_EQ(composed("a\u0301\u0323"), "\u1ea1\u0301");                       // marks in order before they are joined
  EXPECT_EQ(composed("\u212b \u0958 \ufb01"), "\u00c5 \u0915\u093c \ufb01");  // singletons, exclusions, none of NFKC
  EXPECT_EQ(composed(std::string_view("e\0\u0301", 4)), std::string_view("e\0\u0301", 4));
  EXPECT_EQ(composed("e\u0301\xff"), "e\u0301\xff");
}

TEST(Unicode, ComposesAnyNumberOfMarksInLinearTime) {
  std::string above, both;
  for (int i = 0; i < 200'000; ++i) {
    above += "\u0300";
    both += "\u0300\u0323";
  }
  const double start = cpu_seconds();
  EXPECT_TRUE(composed("a" + both).ends_with(above));
  EXPECT_LT(cpu_seconds() - start, 5);
}

}  // namespace
}  // namespace hearth::text
