// tests/cases/json_schema.json: documents that a schema accepts and refuses, and schemas that are refused.
#include "sample/json_schema.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"

namespace hearth::sample {
namespace {

const nlohmann::ordered_json& cases(const std::string& kind) {
  static const auto all = nlohmann::ordered_json::parse(std::ifstream(HEARTH_SOURCE_DIR "/tests/cases/json_schema.json"));
  return all.at(kind);
}

TEST(JsonSchema, AcceptsAndRefusesTheCases) {
  for (const auto& test : cases("schemas")) {
    const std::string name = test["name"];
    SCOPED_TRACE(name);
    try {
      const Grammar grammar = from_json_schema(test["schema"]);
      for (const auto& text : test["accepts"]) EXPECT_TRUE(grammar.matches(text.get<std::string>())) << text;
      for (const auto& text : test["refuses"]) EXPECT_FALSE(grammar.matches(text.get<std::string>())) << text;
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
  }
}

TEST(JsonSchema, RefusesWhatItCannotKeepToByName) {
  for (const auto& test : cases("errors")) {
    SCOPED_TRACE(test["schema"].dump());
    try {
      from_json_schema(test["schema"]);
      ADD_FAILURE() << "should be refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.what(), test["error"].get<std::string>());
    }
  }
}

TEST(JsonSchema, AnyObjectIsAnObject) {
  const Grammar grammar = json_object_grammar();
  EXPECT_TRUE(grammar.matches("{}"));
  EXPECT_TRUE(grammar.matches("{\"a\": [1, {\"b\": null}], \"c\": -2.5e10}"));
  EXPECT_FALSE(grammar.matches("[]"));
  EXPECT_FALSE(grammar.matches("{\"a\":1}x"));
}

}  // namespace
}  // namespace hearth::sample
