#include "text/chat_prompt.h"

#include <fmt/format.h>

#include "base/error.h"

namespace hearth::text {

namespace {

// The text of a special token, or nothing where the file does not name it.
std::string token_text(const gguf::Metadata& metadata, std::string_view key) {
  if (!metadata.has(key) || !metadata.has("tokenizer.ggml.tokens")) return {};
  const auto& tokens = metadata.strings("tokenizer.ggml.tokens");
  const std::uint64_t id = metadata.integer(key);
  if (id >= tokens.size())
    throw Error(Code::bad_input, fmt::format("token {} is not in the vocabulary of {}", id, tokens.size()),
                fmt::format("{} key {}", metadata.origin(), key));
  return tokens[id];
}

}  // namespace

ChatPrompt::ChatPrompt(const gguf::Metadata& metadata)
    : origin_(metadata.origin()),
      source_(metadata.string("tokenizer.chat_template", "")),
      tool_source_(metadata.string("tokenizer.chat_template.tool_use", "")),
      bos_(token_text(metadata, "tokenizer.ggml.bos_token_id")),
      eos_(token_text(metadata, "tokenizer.ggml.eos_token_id")) {
  if (!source_.empty()) try {
      template_.emplace(source_);
    } catch (const Error& fault) {
      fault_ = fault;
    }
}

std::string ChatPrompt::render(const nlohmann::ordered_json& messages, const nlohmann::ordered_json& extra) const {
  // None rather than undefined where there are none: templates rely on what transformers gives them.
  nlohmann::ordered_json context = {
      {"messages", messages}, {"tools", nullptr}, {"documents", nullptr}, {"add_generation_prompt", true}};
  if (!bos_.empty()) context["bos_token"] = bos_;
  if (!eos_.empty()) context["eos_token"] = eos_;
  for (const auto& [name, value] : extra.items()) context[name] = value;
  if (!tool_source_.empty() && !context["tools"].is_null()) return ChatTemplate(tool_source_).render(context);
  if (fault_) throw *fault_;
  if (!template_) throw Error(Code::unsupported, "the model has no chat template", origin_, "give the prompt raw");
  return template_->render(context);
}

}  // namespace hearth::text
