// hearth template: renders a chat template.
#include <cstdio>

#include "base/error.h"
#include "cli/command.h"
#include "text/chat_template.h"

namespace hearth::cli {

namespace {

struct Template {
  std::string source, context;
  long long now = -1;

  void operator()() {
    const auto values = nlohmann::ordered_json::parse(read_text(context), nullptr, false);
    if (!values.is_object()) throw Error(Code::bad_input, "not a JSON object", context);
    const std::string text = text::ChatTemplate(read_text(source)).render(values, {}, now);
    std::fwrite(text.data(), 1, text.size(), stdout);
  }
};

}  // namespace

void add_template(CLI::App& app) {
  auto* command = app.add_subcommand("template", "render a chat template");
  auto run = std::make_shared<Template>();
  command->add_option("--template", run->source, "the Jinja template's file")->required();
  command->add_option("--context", run->context, "a JSON file: messages, add_generation_prompt, bos_token, ...")
      ->required();
  command->add_option("--now", run->now, "what strftime_now shows, in seconds since 1970 (default: the clock)")
      ->check(CLI::Range(0LL, 253402300799LL));  // the end of the year 9999
  command->callback([run] { (*run)(); });
}

}  // namespace hearth::cli
