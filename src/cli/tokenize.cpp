// hearth tokenize: text to token ids.
#include <fmt/format.h>

#include <cstdio>

#include "base/error.h"
#include "cli/command.h"
#include "gguf/file.h"
#include "hub/store.h"
#include "text/tokenizer.h"

namespace hearth::cli {

namespace {

struct Tokenize {
  std::string model, text, file = "-";
  bool has_text = false, no_special = false, parse_special = false, json = false;

  void operator()() {
    if (!has_text) text = read_text(file);
    const auto gguf = gguf::File::open(hub::find_model(model));
    const auto tokenizer = text::Tokenizer::load(gguf.metadata());
    const auto tokens = tokenizer->encode(text, {.add_special = !no_special, .parse_special = parse_special});
    if (json) return print_json(tokens);
    for (Token token : tokens) {
      const nlohmann::ordered_json piece = tokenizer->piece(token, true);
      fmt::print("{}\t{}\n", token, piece.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    }
  }
};

}  // namespace

void add_tokenize(CLI::App& app) {
  auto* command = app.add_subcommand("tokenize", "text to token ids");
  auto run = std::make_shared<Tokenize>();
  command->add_option("MODEL", run->model, "a .gguf file, or a name of the catalogue")->required();
  auto* text = command->add_option("TEXT", run->text, "the text (default: stdin)");
  command->add_option("--file", run->file, "a file's bytes, as they are")->excludes(text);
  command->add_flag("--no-special", run->no_special, "no BOS or EOS, whatever the model asks for");
  command->add_flag("--parse-special", run->parse_special, "\"<|im_end|>\" in the text is that token");
  command->add_flag("--json", run->json, "one array of ids");
  command->callback([run, text] {
    run->has_text = text->count() > 0;
    (*run)();
  });
}

}  // namespace hearth::cli
