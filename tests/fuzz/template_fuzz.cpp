// A chat template is hostile input: it renders, or it is refused. Memory, time and the stack stay bounded.
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "text/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using Json = nlohmann::ordered_json;
  static const Json context = {
      {"messages",
       Json::array({{{"role", "system"}, {"content", "Be brief."}},
                    {{"role", "user"}, {"content", "Grüße <b>"}},
                    {{"role", "assistant"},
                     {"content", nullptr},
                     {"tool_calls", Json::array({{{"name", "f"}, {"arguments", {{"x", 1}, {"y", 2.5}}}}})}}})},
      {"tools", Json::array({{{"type", "function"}, {"function", {{"name", "f"}, {"parameters", Json::object()}}}}})},
      {"add_generation_prompt", true},
      {"bos_token", "<s>"},
      {"eos_token", "</s>"}};
  try {
    const hearth::text::ChatTemplate parsed(std::string_view(reinterpret_cast<const char*>(data), size));
    parsed.render(context, {.steps = 20'000, .output = 1 << 20}, 0);
  } catch (const hearth::Error& error) {
    if (error.code() != hearth::Code::bad_input) __builtin_trap();
  }
  return 0;
}
