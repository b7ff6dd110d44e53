// hearth prune: leaves out what a model needs least.
#include "compress/prune.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "hub/store.h"

namespace hearth::cli {

namespace {

struct PruneCommand {
  std::string in, out, method = "depth";
  compress::PruneOptions options;
  bool json = false;

  void operator()() {
    options.pruning = compress::find_pruning(method);
    const Interrupt interrupt;
    Progress progress;
    const auto report = compress::prune(hub::find_model(in), out, options,
                                        [&](std::string_view what, std::size_t done, std::size_t of) {
                                          progress.show(fmt::format("{}/{} {}", done, of, what));
                                          return !interrupt.asked();
                                        });
    progress.clear();
    if (json) {
      print_json({{"out", out},
                  {"method", method},
                  {"weights_before", report.weights_before},
                  {"weights_after", report.weights_after},
                  {"layers_dropped", report.layers_dropped},
                  {"bytes", report.bytes},
                  {"seconds", report.seconds}});
      return;
    }
    if (!report.layers_dropped.empty()) fmt::print("without layers {}\n", fmt::join(report.layers_dropped, ", "));
    fmt::print("{}: {:.1f} MB, {:.1f}% of the weights, in {:.1f} s\n", out, double(report.bytes) / 1e6,
               100 * double(report.weights_after) / double(report.weights_before), report.seconds);
  }
};

}  // namespace

void add_prune(CLI::App& app) {
  auto* command = app.add_subcommand("prune", "leaves out what a model needs least");
  auto run = std::make_shared<PruneCommand>();
  command->add_option("IN", run->in, "a GGUF file or a MODEL")->required();
  command->add_option("OUT", run->out, "the file to write")->required();
  command->add_option("--method", run->method, "depth (layers), width (neurons), wanda or 2:4 (single weights)")
      ->capture_default_str();
  command->add_option("--amount", run->options.amount, "the share that goes")->capture_default_str();
  command->add_option("--calibration", run->options.calibration, "a text to run the model on")->required();
  command->add_option("--context", run->options.context, "tokens in a chunk of it")->capture_default_str();
  command->add_option("--chunks", run->options.chunks, "at most so many chunks (default: all)");
  add_threads(*command, run->options.threads);
  command->add_flag("--json", run->json, "one JSON document");
  command->callback([run] { (*run)(); });
}

}  // namespace hearth::cli
