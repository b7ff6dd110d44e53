// The chat template of a model file, with what it sees besides the messages.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/error.h"
#include "gguf/metadata.h"
#include "text/chat_template.h"

namespace hearth::text {

class ChatPrompt {
 public:
  // Reads tokenizer.chat_template, tokenizer.chat_template.tool_use and the texts of BOS and EOS. A file without a
  // template is fine until `render`, and so is one whose template does not parse.
  explicit ChatPrompt(const gguf::Metadata& metadata);

  // `messages`: [{"role", "content", ...}]. `extra` is seen by the template by name (tools, documents,
  // enable_thinking); it may also replace add_generation_prompt, which is true. With tools a file's template for them
  // is the one that is rendered. Content may come in parts, [{"type": "text", "text"}]: where a template does not read
  // these, it gets their texts joined by line breaks. Throws unsupported where the file has no template, bad_input
  // where the template does not parse or refuses.
  std::string render(const nlohmann::ordered_json& messages,
                     const nlohmann::ordered_json& extra = nlohmann::ordered_json::object()) const;

  bool has_template() const noexcept { return template_.has_value(); }
  const std::string& source() const noexcept { return source_; }  // the template's text, or empty

 private:
  std::string origin_, source_, tool_source_, bos_, eos_;
  std::optional<ChatTemplate> template_;
  std::optional<Error> fault_;  // of the template
};

}  // namespace hearth::text
