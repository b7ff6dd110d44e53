// hearth run: answers one prompt, streaming.
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/error.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "engine/chat.h"

namespace hearth::cli {

namespace {

struct Run {
  ModelOptions model;
  GenerationOptions generation;
  std::string prompt, system, cache_file;
  bool has_prompt = false, raw = false, json = false, verbose = false;

  void operator()() {
    if (!cache_file.empty()) check_writable(cache_file);
    if (!has_prompt) {
      prompt = read_text("-");
      if (!raw) cut_line_end(prompt);  // a message is what was typed, not the key that sent it
    }
    check_utf8(prompt, "the prompt");
    check_utf8(system, "the system message");
    const auto engine = model.open();
    engine::Session session(engine);
    engine::Request request = generation.request(*engine);
    if (raw) {
      request.prompt = engine->tokenizer().encode(prompt, {.goes_on = true});
    } else {
      nlohmann::ordered_json messages = nlohmann::ordered_json::array();
      if (!system.empty()) messages.push_back({{"role", "system"}, {"content", system}});
      messages.push_back({{"role", "user"}, {"content", prompt}});
      request.prompt = engine::encode_chat(*engine, messages);
    }

    session.set_adapters(generation.adapters(*engine));
    if (!cache_file.empty() && std::filesystem::exists(cache_file)) session.load(cache_file);
    const Interrupt interrupt;
    request.cancel = interrupt.token();
    const engine::Answer answer = session.generate(std::move(request), [&](const engine::Piece& piece) {
      if (!json) print_piece(piece.text);
      return !interrupt.asked();
    });
    if (!cache_file.empty()) session.save(cache_file);
    if (json)
      print_json(to_json(answer));
    else
      std::fputc('\n', stdout);
    std::fflush(stdout);
    if (verbose) std::fprintf(stderr, "%s\n", speed_line(answer).c_str());
    if (answer.reason == engine::FinishReason::cancelled) throw Error(Code::cancelled, "interrupted");
  }
};

}  // namespace

void add_run(CLI::App& app) {
  auto* command = app.add_subcommand("run", "answer one prompt");
  auto run = std::make_shared<Run>();
  run->model.add_to(*command);
  run->model.add_rope_to(*command);
  run->model.add_shift_to(*command);
  run->model.add_all_logits_to(*command);
  auto* prompt = command->add_option("PROMPT", run->prompt, "the prompt (default: stdin)");
  run->generation.add_to(*command);
  auto* system = command->add_option("--system", run->system, "the system message");
  command->add_option("--prompt-cache", run->cache_file,
                      "start from this file's cache where it fits, and keep it there");
  command->add_flag("--raw", run->raw, "feed the prompt as it stands, without the chat template")->excludes(system);
  command->add_flag("--json", run->json, "one JSON document instead of text");
  command->add_flag("--verbose", run->verbose, "tell the speed on stderr");
  command->callback([run, prompt] {
    run->has_prompt = prompt->count() > 0;
    (*run)();
  });
}

}  // namespace hearth::cli
