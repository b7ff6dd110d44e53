#include "convert/model_card.h"

#include <gtest/gtest.h>

#include "files.h"
#include "temporary.h"

namespace hearth::convert {
namespace {

using tests::save;

TEST(ModelCard, ReadsTheFrontMatterThatCardsHave) {
  const Card card = parse_model_card(R"(---
license: apache-2.0   # a comment
license_name: 'own: name'
language:
- en
- "no"
tags: [text-generation, 'a, b', ]
base_model:
  - org/one
  - org/two
description: >
  first line
  second line
model-index:
- name: deep
  results: []
datasets:
- org/data
empty:
---
title: not a key
)");
  EXPECT_EQ(card.at("license"), std::vector<std::string>{"apache-2.0"});
  EXPECT_EQ(card.at("license_name"), std::vector<std::string>{"own: name"});
  EXPECT_EQ(card.at("language"), (std::vector<std::string>{"en", "no"}));
  EXPECT_EQ(card.at("tags"), (std::vector<std::string>{"text-generation", "a, b"}));
  EXPECT_EQ(card.at("base_model"), (std::vector<std::string>{"org/one", "org/two"}));
  EXPECT_EQ(card.at("description"), std::vector<std::string>{"first line second line"});
  EXPECT_EQ(card.at("datasets"), std::vector<std::string>{"org/data"});
  EXPECT_TRUE(card.at("model-index").empty());
  EXPECT_TRUE(card.at("empty").empty());
  EXPECT_FALSE(card.contains("title"));
}

TEST(ModelCard, ReadsListsOverLinesAndBeforeComments) {
  const Card card = parse_model_card("---\ntags: [a, b]  # c\nlanguage: [\n  en,\n  fr\n]\nlicense: mit\n---\n");
  EXPECT_EQ(card.find("tags")->second, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(card.find("language")->second, (std::vector<std::string>{"en", "fr"}));
  EXPECT_EQ(card.find("license")->second, std::vector<std::string>{"mit"});
}

TEST(ModelCard, TakesForAListOnlyWhatIsOne) {
  const Card card = parse_model_card(
      "---\nmodel_name: [WIP] Foo\nauthor: [x\nlicense: mit\ntags: [it's, 'a]', \"b\"] # [c]\n"
      "version: [1\n- 2\nlanguage: [en]\n---\n");
  EXPECT_EQ(card.at("model_name"), std::vector<std::string>{"[WIP] Foo"});
  EXPECT_EQ(card.at("author"), std::vector<std::string>{"[x"});
  EXPECT_EQ(card.at("license"), std::vector<std::string>{"mit"});
  EXPECT_EQ(card.at("tags"), (std::vector<std::string>{"it's", "a]", "b"}));
  EXPECT_EQ(card.at("language"), std::vector<std::string>{"en"});
}

TEST(ModelCard, TakesAnyText) {
  EXPECT_TRUE(parse_model_card("").empty());
  EXPECT_TRUE(parse_model_card("# Title\n").empty());
  for (const char* odd :
       {"---", "---\n:", "---\n- a\n", "---\n  |\n x", "---\na: |\nb: [\nc: ]\nd: [,", "---\na: \"", "---\n\"'"})
    parse_model_card(odd);
}

TEST(ModelCard, LabelsSizes) {
  EXPECT_EQ(size_label({.all = 134'515'008}), "135M");
  EXPECT_EQ(size_label({.all = 1'711'376'384}), "1.7B");
  EXPECT_EQ(size_label({.all = 46'702'792'704, .experts = 45'097'156'608, .expert_count = 8}), "8x7.2B");
}

TEST(ModelCard, BecomesMetadata) {
  const hearth::tests::TemporaryFolder temporary;
  const auto folder = temporary.path() / "models--acme--tiny-chat" / "snapshots" / "0123";
  save(folder / "README.md",
       "---\nlicense: mit\nlanguage: en\ntags:\n- chat\npipeline_tag: text-generation\nbase_model: "
       "acme/tiny-v2-base\n---\n");
  save(folder / "generation_config.json", R"({"top_k": 20, "temperature": 0.7, "repetition_penalty": 1.1})");
  gguf::Metadata metadata;
  add_origin(folder, JsonObject(Json::object(), "config.json"), {.all = 2'000'000}, metadata);
  EXPECT_EQ(metadata.string("general.name"), "Tiny Chat");
  EXPECT_EQ(metadata.string("general.organization"), "Acme");
  EXPECT_EQ(metadata.string("general.license"), "mit");
  EXPECT_EQ(metadata.string("general.size_label"), "2.0M");
  EXPECT_EQ(metadata.strings("general.languages"), std::vector<std::string>{"en"});
  EXPECT_EQ(metadata.strings("general.tags"), (std::vector<std::string>{"chat", "text-generation"}));
  EXPECT_EQ(metadata.integer("general.base_model.count"), 1u);
  EXPECT_EQ(metadata.string("general.base_model.0.name"), "Tiny v2 Base");
  EXPECT_EQ(metadata.string("general.base_model.0.organization"), "Acme");
  EXPECT_EQ(metadata.integer("general.sampling.top_k"), 20u);
  EXPECT_FLOAT_EQ(static_cast<float>(metadata.number("general.sampling.temp")), 0.7f);
  EXPECT_FLOAT_EQ(static_cast<float>(metadata.number("general.sampling.penalty_repeat")), 1.1f);
}

}  // namespace
}  // namespace hearth::convert
