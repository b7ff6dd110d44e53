// Chat templates: the Jinja that Hugging Face transformers uses, interpreted. A template from a file is hostile input:
// depth, steps and output are bounded.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace hearth::text {

struct TemplateLimits {
  std::size_t steps = 5'000'000;   // evaluated nodes
  std::size_t output = 64u << 20;  // bytes, of the text and of any one string made on the way
  std::size_t depth = 500;         // nested expressions, blocks and macro calls, while it runs
};

class ChatTemplate {
 public:
  // Throws bad_input with line and fault.
  explicit ChatTemplate(std::string_view source);
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  // `context`: messages, add_generation_prompt, bos_token, eos_token, tools, ... in insertion order.
  // Throws bad_input where the template raises (raise_exception), misuses a value, or exceeds a limit.
  // `now` (seconds since the epoch) is what strftime_now shows; negative: the clock's.
  std::string render(const nlohmann::ordered_json& context, const TemplateLimits& limits = {},
                     long long now = -1) const;

 private:
  struct Program;
  std::unique_ptr<const Program> program_;
};

}  // namespace hearth::text
