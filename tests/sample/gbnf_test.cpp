// tests/cases/grammar.json: texts that a grammar accepts and refuses, and grammars that are refused.
#include "sample/gbnf.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "source_dir.h"

namespace hearth::sample {
namespace {

const nlohmann::json& cases(const std::string& kind) {
  static const auto all =
      nlohmann::json::parse(std::ifstream(hearth::tests::source_dir() + "/tests/cases/grammar.json"));
  return all.at(kind);
}

TEST(Gbnf, AcceptsAndRefusesTheCases) {
  for (const auto& test : cases("grammars")) {
    SCOPED_TRACE(test["name"].get<std::string>());
    try {
      const Grammar grammar = parse_gbnf(test["grammar"].get<std::string>());
      for (const auto& text : test["accepts"]) EXPECT_TRUE(grammar.matches(text.get<std::string>())) << text;
      for (const auto& text : test["refuses"]) EXPECT_FALSE(grammar.matches(text.get<std::string>())) << text;
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
  }
}

TEST(Gbnf, FaultsAreNamedWithTheirPlace) {
  for (const auto& test : cases("errors")) {
    SCOPED_TRACE(test["grammar"].get<std::string>());
    try {
      parse_gbnf(test["grammar"].get<std::string>());
      ADD_FAILURE() << "should be refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.what(), test["error"].get<std::string>());
    }
  }
  EXPECT_THROW(parse_gbnf("root ::= \"\xff\""), Error);
}

TEST(Gbnf, OnlyWholeWellFormedCharactersMatch) {
  const Grammar any = parse_gbnf("root ::= .");
  EXPECT_TRUE(any.matches("\xef\xbf\xbf"));
  EXPECT_FALSE(any.matches("\xed\xa0\x80"));  // a surrogate
  EXPECT_FALSE(any.matches("\xc0\x80"));      // an overlong form
  EXPECT_FALSE(any.matches("\xf4\x90\x80\x80"));
  EXPECT_FALSE(any.matches("\xe6\x97"));
}

}  // namespace
}  // namespace hearth::sample
