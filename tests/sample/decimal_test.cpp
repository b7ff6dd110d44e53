#include "sample/decimal.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace hearth::sample {
namespace {

TEST(Decimal, ReadsEveryWayOfWriting) {
  const auto parts = [](const char* text) {
    const Decimal d = Decimal::parse(text);
    return std::string(d.negative ? "-" : "+") + d.whole + "." + d.fraction;
  };
  EXPECT_EQ(parts("0"), "+.");
  EXPECT_EQ(parts("-0.0"), "+.");
  EXPECT_EQ(parts("12.50"), "+12.5");
  EXPECT_EQ(parts("-0.125"), "-.125");
  EXPECT_EQ(parts("1e3"), "+1000.");
  EXPECT_EQ(parts("1.25e+1"), "+12.5");
  EXPECT_EQ(parts("125E-4"), "+.0125");
  EXPECT_EQ(parts("-1200e-2"), "-12.");
  EXPECT_THROW(Decimal::parse("1e401"), Error);
  EXPECT_THROW(Decimal::parse("1e99999999999"), Error);
}

TEST(Decimal, ComparesByValue) {
  const char* ascending[] = {"-1000", "-12.5", "-12.25", "-0.5", "-0.05", "0",  "0.04",
                             "0.4",   "0.45",  "1",      "9.99", "10",    "1e2"};
  for (std::size_t i = 0; i < std::size(ascending); ++i)
    for (std::size_t j = 0; j < std::size(ascending); ++j) {
      const int order = compare(Decimal::parse(ascending[i]), Decimal::parse(ascending[j]));
      EXPECT_EQ(order < 0, i < j) << ascending[i] << " " << ascending[j];
      EXPECT_EQ(order > 0, i > j) << ascending[i] << " " << ascending[j];
    }
}

}  // namespace
}  // namespace hearth::sample
