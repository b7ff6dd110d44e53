#include "text/chat_prompt.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace hearth::text {
namespace {

using Json = nlohmann::ordered_json;
using gguf::Metadata;
using gguf::Value;

const Json messages = Json::array({{{"role", "user"}, {"content", "hi"}}});

Metadata metadata(const std::string& source) {
  Metadata made("model.gguf");
  made.set("tokenizer.chat_template", Value{source});
  made.set("tokenizer.ggml.tokens", Value{gguf::Array(std::vector<std::string>{"<unk>", "<s>", "</s>"})});
  made.set("tokenizer.ggml.bos_token_id", Value{std::uint32_t{1}});
  made.set("tokenizer.ggml.eos_token_id", Value{std::uint32_t{2}});
  return made;
}

TEST(ChatPrompt, TemplateSeesMessagesAndSpecialTokens) {
  const ChatPrompt prompt(
      metadata("{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}"
               "{{ eos_token }}{{ '>' if add_generation_prompt }}"
               "{{ tools if tools is not none }}{{ documents if documents is not none }}"));
  EXPECT_TRUE(prompt.has_template());
  EXPECT_EQ(prompt.render(messages), "<s>user: hi</s>>");
  EXPECT_EQ(prompt.render(messages, {{"tools", {1}}, {"add_generation_prompt", false}}), "<s>user: hi</s>[1]");
}

TEST(ChatPrompt, ContentMayComeInParts) {
  const Json text = {{"type", "text"}, {"text", "hi"}}, more = {{"type", "text"}, {"text", "you"}};
  const Json image = {{"type", "image_url"}, {"image_url", {{"url", "x"}}}};
  const auto said = [](Json content) {
    return Json::array({{{"role", "system"}, {"content", "be"}}, {{"role", "user"}, {"content", std::move(content)}}});
  };
  const std::string all = "{% for m in messages %}";
  const ChatPrompt prints(metadata(all + "[{{ m.content }}]{% endfor %}"));
  const ChatPrompt adds(metadata(all + "{{ '[' + m['content'] + ']' }}{% endfor %}"));
  const ChatPrompt reads(
      metadata(all + "[{% if m.content is string %}{{ m.content }}{% else %}{% for part in m.content %}"
                     "<{{ part.text if part.type == 'text' else part.type }}>{% endfor %}{% endif %}]{% endfor %}"));
  for (const ChatPrompt* prompt : {&prints, &adds}) {
    EXPECT_EQ(prompt->render(said(Json::array({text}))), "[be][hi]");
    EXPECT_EQ(prompt->render(said(Json::array({text, more}))), "[be][hi\nyou]");
  }
  EXPECT_EQ(reads.render(said(Json::array({text, more}))), "[be][<hi><you>]");
  EXPECT_EQ(reads.render(said(Json::array({text, image}))), "[be][<hi><image_url>]");
  EXPECT_THROW(adds.render(said(Json::array({text, image}))), Error);  // what is no text is not left out
}

TEST(ChatPrompt, ToolsHaveATemplateOfTheirOwnWhereTheFileHasOne) {
  Metadata file = metadata("plain");
  file.set("tokenizer.chat_template.tool_use", Value{std::string("with {{ tools }}")});
  const ChatPrompt prompt(file);
  EXPECT_EQ(prompt.render(messages), "plain");
  EXPECT_EQ(prompt.render(messages, {{"tools", nullptr}}), "plain");
  EXPECT_EQ(prompt.render(messages, {{"tools", {1}}}), "with [1]");
}

TEST(ChatPrompt, AFaultyTemplateForToolsIsInNobodysWayElse) {
  Metadata file = metadata("plain");
  file.set("tokenizer.chat_template.tool_use", Value{std::string("{{ 1 +")});
  const ChatPrompt prompt(file);
  EXPECT_EQ(prompt.render(messages), "plain");
  EXPECT_THROW(prompt.render(messages, {{"tools", {1}}}), Error);
}

TEST(ChatPrompt, AFaultyTemplateIsInNobodysWayWhoDoesNotAskForIt) {
  const ChatPrompt prompt(metadata("{{ 1 +"));
  EXPECT_FALSE(prompt.has_template());
  EXPECT_EQ(prompt.source(), "{{ 1 +");
  EXPECT_THROW(prompt.render(messages), Error);
}

TEST(ChatPrompt, ATemplateForToolsNeedsNoOther) {
  for (const char* source : {"{{ 1 +", ""}) {
    Metadata file = metadata(source);
    file.set("tokenizer.chat_template.tool_use", Value{std::string("with {{ tools }}")});
    const ChatPrompt prompt(file);
    EXPECT_THROW(prompt.render(messages), Error);
    EXPECT_EQ(prompt.render(messages, {{"tools", {1}}}), "with [1]");
  }
}

TEST(ChatPrompt, AFileWithoutTemplateIsFineUntilItIsAsked) {
  const ChatPrompt prompt(Metadata("model.gguf"));
  EXPECT_FALSE(prompt.has_template());
  EXPECT_EQ(prompt.source(), "");
  try {
    prompt.render(messages);
    ADD_FAILURE() << "should be refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unsupported);
    EXPECT_STREQ(error.what(), "the model has no chat template, model.gguf, give the prompt raw");
  }
}

TEST(ChatPrompt, FaultsOfTheFileAreNamed) {
  const auto fault = [](const Metadata& from) -> std::string {
    try {
      const ChatPrompt prompt(from);
      return prompt.render(messages);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::bad_input);
      return error.what();
    }
  };
  EXPECT_EQ(fault(metadata("{{ 1 +")), "unexpected the end of the template, template line 1");
  EXPECT_EQ(fault(metadata("{{ raise_exception('no') }}")), "no, raised in template line 1");
  Metadata outside = metadata("");
  outside.set("tokenizer.ggml.eos_token_id", Value{std::uint32_t{3}});
  EXPECT_EQ(fault(outside), "token 3 is not in the vocabulary of 3, model.gguf key tokenizer.ggml.eos_token_id");
}

}  // namespace
}  // namespace hearth::text
