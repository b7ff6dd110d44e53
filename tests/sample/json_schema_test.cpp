// tests/cases/json_schema.json: documents that a schema accepts and refuses, and schemas that are refused.
#include "sample/json_schema.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "sample/json_validator.h"
#include "sample/walk.h"
#include "source_dir.h"

namespace hearth::sample {
namespace {

const nlohmann::ordered_json& cases(const std::string& kind) {
  static const auto all =
      nlohmann::ordered_json::parse(std::ifstream(hearth::tests::source_dir() + "/tests/cases/json_schema.json"));
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

TEST(JsonSchema, RandomAnswersAreValid) {
  const auto vocabulary = tests::small_vocabulary();
  std::mt19937 random(5);
  for (const auto& test : cases("schemas")) {
    SCOPED_TRACE(test["name"].get<std::string>());
    const tests::Validator validator(test["schema"]);
    for (const auto& text : test["accepts"])
      EXPECT_TRUE(validator.valid(nlohmann::ordered_json::parse(text.get<std::string>())));
    const auto constraint = grammar_constraint(vocabulary, from_json_schema(test["schema"]));
    int ended = 0;
    for (int i = 0; i < 25; ++i) {
      const auto copy = constraint->clone();
      const auto text = tests::walk(*copy, *vocabulary, random, 10 + random() % 50);
      if (!text) continue;
      ++ended;
      const auto value = nlohmann::ordered_json::parse(*text, nullptr, false);
      EXPECT_FALSE(value.is_discarded()) << *text;
      EXPECT_TRUE(validator.valid(value)) << *text;
    }
    EXPECT_GT(ended, 5);
  }
}

TEST(JsonSchema, AnswersEndInTheTokensLeft) {
  const auto vocabulary = tests::small_vocabulary();
  std::mt19937 random(7);
  const auto walks = [&](const nlohmann::ordered_json& schema, std::size_t tokens) {
    const tests::Validator validator(schema);
    const auto constraint = grammar_constraint(vocabulary, from_json_schema(schema));
    for (int i = 0; i < 20; ++i) {
      const auto text = tests::limited_walk(*constraint->clone(), *vocabulary, random, tokens);
      ASSERT_TRUE(text) << tokens;
      const auto value = nlohmann::ordered_json::parse(*text, nullptr, false);
      EXPECT_TRUE(!value.is_discarded() && validator.valid(value)) << *text;
    }
  };
  for (
      const char* text : {
          R"({"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"value":{"type":"integer"},"next":{"anyOf":)"
          R"([{"$ref":"#/$defs/n"},{"type":"null"}]}},"required":["value","next"],"additionalProperties":false}}})",
          R"({"type":"array","items":{"$ref":"#"}})",
          R"({"type":"object","additionalProperties":{"$ref":"#"}})",
          R"({"type":"object","properties":{"name":{"type":"string"},"children":{"type":"array","items":{"$ref":"#"}}},)"
          R"("required":["name","children"],"additionalProperties":false})",
          R"({"type":"object","properties":{"a":{"type":"array","minItems":2,"items":{"anyOf":[{"$ref":"#"},)"
          R"({"enum":["ç","日本"]}]}},"b":{"anyOf":[{"$ref":"#"},{"type":"number"}]}},"required":["a","b"]})",
          R"({})",
      })
    for (const std::size_t tokens : {30, 31, 90}) walks(nlohmann::ordered_json::parse(text), tokens);
  std::ifstream file(hearth::tests::source_dir() + "/tests/cases/generation_schemas.json");
  const auto schemas = nlohmann::ordered_json::parse(file);
  for (const auto& [name, schema] : schemas.items()) {
    SCOPED_TRACE(name);
    walks(schema, 140);
  }
}

TEST(JsonSchema, PropertiesAreCountedOnlyWhereTheirNumberIsBounded) {
  nlohmann::ordered_json schema = {{"type", "object"}, {"minProperties", 1}};
  for (int i = 0; i < 3000; ++i) schema["properties"][std::to_string(i)] = {{"type", "integer"}};
  const Grammar grammar = from_json_schema(schema);
  EXPECT_TRUE(grammar.matches("{\"7\":1,\"2999\":2}"));
  EXPECT_FALSE(grammar.matches("{}"));
  EXPECT_FALSE(grammar.matches("{\"7\":1,\"6\":2}"));
}

TEST(JsonSchema, PatternsKnowUnicodeCategories) {
  const Grammar grammar =
      from_json_schema({{"type", "object"},
                        {"properties",
                         {{"id", {{"type", "string"}, {"pattern", "^[\\p{L}\\d_]+$"}, {"maxLength", 200}}},
                          {"name", {{"type", "string"}, {"pattern", "^\\p{Lu}\\p{Ll}*$"}}}}},
                        {"patternProperties", {{"^\\p{Nd}$", {{"type", "null"}}}}}});
  const std::string long_id(200, 'x');
  for (const std::string& text :
       {std::string(R"({"id":"añ_9日"})"), std::string(R"({"id":"x","name":"Écrit"})"), std::string(R"({"name":"日"})"),
        "{\"id\":\"" + long_id + "\"}", std::string(R"({"٣":null})")})
    EXPECT_EQ(grammar.matches(text), text.find("\"日") == text.npos) << text;
  for (const std::string& text :
       {std::string(R"({"id":""})"), std::string(R"({"id":"a b"})"), std::string(R"({"id":"😀"})"),
        std::string(R"({"name":"écrit"})"), "{\"id\":\"x" + long_id + "\"}", std::string(R"({"٣":1})")})
    EXPECT_FALSE(grammar.matches(text)) << text;
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
