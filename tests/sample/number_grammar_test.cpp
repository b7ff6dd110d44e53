// Bounds and multiples against arithmetic, for every number of a neighbourhood.
#include "sample/number_grammar.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "base/error.h"

namespace hearth::sample {
namespace {

Grammar grammar(const NumberLimits& limits) {
  GrammarBuilder builder;
  const auto rule = builder.declare();
  builder.define(rule, number_grammar(builder, limits));
  return builder.build(rule);
}

// thousandths, written in all ways
std::vector<std::string> writings(int thousandths) {
  const std::string sign = thousandths < 0 ? "-" : "";
  const int size = std::abs(thousandths);
  std::vector<std::string> all = {fmt::format("{}{}.{:03}", sign, size / 1000, size % 1000)};
  while (all.back().back() == '0' || all.back().back() == '.') {
    std::string shorter = all.back();
    if (shorter.find('.') == shorter.npos) break;
    shorter.pop_back();
    if (shorter.back() == '.') shorter.pop_back();
    all.push_back(shorter);
    if (shorter.find('.') == shorter.npos) break;
  }
  return all;
}

TEST(NumberGrammar, KeepsToBoundsAndMultiples) {
  std::mt19937 random(11);
  for (int trial = 0; trial < 40; ++trial) {
    const auto some = [&] { return (int(random() % 260) - 130) * (random() % 2 ? 1000 : 125); };
    int low = some(), high = some();
    if (low > high) std::swap(low, high);
    const bool has_low = random() % 4, has_high = random() % 4, low_out = random() % 2, high_out = random() % 2;
    const int multiple = random() % 3 ? 0 : int(1 + random() % 12) * (random() % 2 ? 1000 : 250);
    NumberLimits limits;
    const auto decimal = [](int thousandths) { return Decimal::parse(fmt::format("{}e-3", thousandths)); };
    if (has_low) limits.minimum = {decimal(low), low_out};
    if (has_high) limits.maximum = {decimal(high), high_out};
    if (multiple) limits.multiple_of = decimal(multiple);
    limits.integer = random() % 2;
    std::optional<Grammar> under;
    try {
      under = grammar(limits);
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), Code::bad_input) << error.what();  // nothing is left
    }
    for (int x = -140'000; x <= 140'000; x += 1 + int(random() % 400) * (x % 125 == 0)) {
      if (x % 1000 != 0 && random() % 8) continue;
      const bool expected = !(has_low && (low_out ? x <= low : x < low)) &&
                            !(has_high && (high_out ? x >= high : x > high)) && !(multiple && x % multiple != 0);
      for (const std::string& text : writings(x)) {
        const bool plain = text.find('.') == text.npos;
        // Fractions longer than a multiple needs are not written, nor a sign before zero where there are limits.
        if (!plain && multiple && text.back() == '0') continue;
        if (!plain && multiple && x % 1000 == 0 && multiple % 1000 == 0) continue;
        ASSERT_EQ(under && under->matches(text), expected && (plain || !limits.integer))
            << text << " from " << low << " to " << high << " by " << multiple << " " << has_low << has_high << low_out
            << high_out << limits.integer;
      }
    }
  }
}

TEST(NumberGrammar, NumbersEnd) {
  const Grammar any = grammar({}), whole = grammar({.integer = true});
  EXPECT_TRUE(any.matches("-123456789012345678.1234567890123456e-99"));
  EXPECT_FALSE(any.matches("1234567890123456789"));
  EXPECT_FALSE(any.matches("0.12345678901234567"));
  EXPECT_TRUE(whole.matches("123456789012345678"));
  EXPECT_FALSE(whole.matches("1234567890123456789"));
  const Grammar large = grammar({.minimum = NumberLimits::Bound{Decimal::parse("1e30")}});
  EXPECT_TRUE(large.matches("1" + std::string(30, '0')));
  EXPECT_FALSE(large.matches("9" + std::string(29, '9')));
}

TEST(NumberGrammar, LimitsThatHoldTogether) {
  NumberLimits limits{.minimum = NumberLimits::Bound{Decimal::parse("2")}, .multiple_of = Decimal::parse("0.4")};
  limits.restrict({.integer = true,
                   .minimum = NumberLimits::Bound{Decimal::parse("2"), true},
                   .maximum = NumberLimits::Bound{Decimal::parse("30")},
                   .multiple_of = Decimal::parse("6")});
  const Grammar both = grammar(limits);
  for (int x = 0; x < 40; ++x) EXPECT_EQ(both.matches(std::to_string(x)), x > 2 && x <= 30 && x % 6 == 0) << x;
}

}  // namespace
}  // namespace hearth::sample
