#include "sample/language.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace hearth::sample {
namespace {

TEST(Language, OperationsAreThoseOfSets) {
  std::vector<std::string> texts = {""};
  for (std::size_t i = 0; texts[i].size() < 5; ++i)
    for (const char* c : {"a", "b", "é"}) texts.push_back(texts[i] + c);
  const std::vector<Language> languages = {Language::all(),
                                           Language::of(parse_regex("^a*b$")),
                                           Language::of(parse_regex("é.a")),
                                           Language::of(std::vector<std::string>{"ab", "", "ééé", "aba"}),
                                           Language::of(std::vector<std::string>{}),
                                           Language::of_length(2, 3),
                                           Language::of_length(1, Regex::unbounded)};
  for (const Language& a : languages)
    for (const Language& b : languages) {
      const Language both = a.intersection(b), missing = a.complement();
      bool any = false;
      for (const std::string& text : texts) {
        EXPECT_EQ(both.contains(text), a.contains(text) && b.contains(text)) << text;
        EXPECT_EQ(missing.contains(text), !a.contains(text)) << text;
        any |= both.contains(text);
      }
      EXPECT_EQ(both.empty(), !any);
      EXPECT_TRUE(a.intersection(missing).empty());
    }
}

TEST(Language, WhatIsTooComplexIsRefused) {
  try {
    Language::of(parse_regex("a.{30}$"));  // every combination of the last 31 characters is a state
    FAIL() << "should be too complex";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::too_long);
  }
  EXPECT_THROW(Language::of(parse_regex("((a{1000}){1000}){1000}")), Error);
}

}  // namespace
}  // namespace hearth::sample
