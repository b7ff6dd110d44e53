#include "text/chat_prompt.h"

#include <fmt/format.h>

#include <algorithm>

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

bool is_text_part(const nlohmann::ordered_json& part) {
  return part.is_object() && part.value("type", nlohmann::ordered_json()) == "text" && part.contains("text") &&
         part["text"].is_string();
}

// Content in parts that are all text.
bool is_in_parts(const nlohmann::ordered_json& message) {
  if (!message.is_object() || !message.contains("content")) return false;
  const auto& content = message["content"];
  return content.is_array() && !content.empty() && std::all_of(content.begin(), content.end(), is_text_part);
}

// Whether a template knows content in parts. One that does not writes a list as Python does, or fails.
bool reads_parts(const ChatTemplate& chat, nlohmann::ordered_json context) {
  using Json = nlohmann::ordered_json;
  const std::string text = "some text";
  const Json part = {{"type", "text"}, {"text", text}};
  context["messages"] = Json::array({{{"role", "user"}, {"content", Json::array({part})}}});
  try {
    const std::string rendered = chat.render(context);
    return rendered.find(text) != rendered.npos && rendered.find("'type'") == rendered.npos &&
           rendered.find("\"type\"") == rendered.npos;
  } catch (const Error&) {
    return false;
  }
}

// Each of the parts a line or more, where the template would not read them.
std::string render_messages(const ChatTemplate& chat, nlohmann::ordered_json& context) {
  auto& messages = context["messages"];
  if (messages.is_array() && std::any_of(messages.begin(), messages.end(), is_in_parts) && !reads_parts(chat, context))
    for (auto& message : messages)
      if (is_in_parts(message)) {
        std::string joined;
        for (const auto& part : message["content"]) {
          if (&part != &message["content"].front()) joined += '\n';
          joined += part["text"].get_ref<const std::string&>();
        }
        message["content"] = std::move(joined);
      }
  return chat.render(context);
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
  if (!tool_source_.empty() && !context["tools"].is_null()) return render_messages(ChatTemplate(tool_source_), context);
  if (fault_) throw *fault_;
  if (!template_) throw Error(Code::unsupported, "the model has no chat template", origin_, "give the prompt raw");
  return render_messages(*template_, context);
}

}  // namespace hearth::text
