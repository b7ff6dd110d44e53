// hearth embed: texts to vectors, JSON lines.
#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "base/error.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "engine/embed.h"

namespace hearth::cli {

namespace {

struct Embed {
  ModelOptions model;
  engine::EmbedOptions options;
  std::string text, file = "-", long_text = "refuse";
  bool has_text = false;

  void operator()() {
    std::vector<std::string> texts;
    if (has_text) {
      texts.push_back(text);
    } else {
      std::istringstream lines(read_text(file));
      for (std::string line; read_line(lines, line);) texts.push_back(line);
    }
    for (std::size_t i = 0; i < texts.size(); ++i) check_utf8(texts[i], "text " + std::to_string(i));
    options.long_text = long_text == "mean"       ? engine::LongText::mean
                        : long_text == "truncate" ? engine::LongText::truncate
                                                  : engine::LongText::refuse;
    engine::Embedder embedder(model.open());
    Progress progress;
    const Interrupt interrupt;
    options.between = [&] {
      if (interrupt.asked()) throw Error(Code::cancelled, "interrupted");
    };
    constexpr std::size_t at_once = 256;
    for (std::size_t begin = 0; begin < texts.size(); begin += at_once) {
      const auto some = std::span(texts).subspan(begin, std::min(at_once, texts.size() - begin));
      options.first = begin;
      progress.show(fmt::format("{}/{} texts", begin, texts.size()));
      const auto vectors = embedder.embed(some, options);
      progress.clear();
      for (std::size_t i = 0; i < some.size(); ++i) print_json({{"index", begin + i}, {"embedding", vectors[i]}});
      flush_stdout();
    }
  }
};

}  // namespace

void add_embed(CLI::App& app) {
  auto* command = app.add_subcommand("embed", "texts to vectors, as JSON lines");
  auto run = std::make_shared<Embed>();
  run->model.add_to(*command);
  run->model.add_rope_to(*command);
  auto* text = command->add_option("TEXT", run->text, "the text (default: stdin, a text a line)");
  command->add_option("--file", run->file, "a file, a text a line")->excludes(text);
  command->add_option("--dimensions", run->options.dimensions, "keep the first so many");
  command->add_option("--long-text", run->long_text, "what to do where a text is too long")
      ->check(CLI::IsMember({"refuse", "truncate", "mean"}))
      ->capture_default_str();
  command->add_flag_callback(
      "--json", [] {}, "the result is JSON anyway");
  command->callback([run, text] {
    run->has_text = text->count() > 0;
    (*run)();
  });
}

}  // namespace hearth::cli
