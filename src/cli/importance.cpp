// hearth importance: measures which inputs of the weights matter, over a text.
#include "compress/importance.h"

#include <fmt/format.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "compress/calibration.h"
#include "gguf/writer.h"
#include "hub/store.h"

namespace hearth::cli {

namespace {

struct ImportanceCommand {
  std::string model, file, out;
  compress::CalibrationOptions options;
  std::size_t threads = 0;
  bool json = false;

  void operator()() {
    const auto path = hub::find_model(model);
    gguf::check_writable(out, path, {file});
    const compress::Calibration calibration(path, file);
    ThreadPool pool(threads);
    const Interrupt interrupt;
    Progress progress;
    const auto importance =
        compress::measure_importance(calibration.model(), pool, calibration.tokens(), calibration.bos(), options, file,
                                     [&](std::size_t done, std::size_t of) {
                                       progress.show(fmt::format("{}/{} chunks", done, of));
                                       return !interrupt.asked();
                                     });
    progress.clear();
    importance.write(out);
    if (json)
      return print_json({{"out", out},
                         {"matrices", importance.matrices.size()},
                         {"chunks", importance.chunks},
                         {"chunk_tokens", importance.chunk_tokens}});
    fmt::print("{}: {} matrices over {} chunks of {} tokens\n", out, importance.matrices.size(), importance.chunks,
               importance.chunk_tokens);
  }
};

}  // namespace

void add_importance(CLI::App& app) {
  auto* command = app.add_subcommand("importance", "measures which weights matter, for hearth quantize");
  auto run = std::make_shared<ImportanceCommand>();
  command->add_option("MODEL", run->model, "the model to measure, best uncompressed")->required();
  command->add_option("--file", run->file, "a text like those the model will meet")->required();
  command->add_option("--out", run->out, "the file to write, in llama.cpp's imatrix form")->required();
  command->add_option("--context", run->options.context, "tokens in a chunk")->capture_default_str();
  command->add_option("--chunks", run->options.chunks, "at most so many (default: all)");
  add_threads(*command, run->threads);
  command->add_flag("--json", run->json, "one JSON document");
  command->callback([run] { (*run)(); });
}

}  // namespace hearth::cli
