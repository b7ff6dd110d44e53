// hearth report: compares methods of compression, by quality, size, speed and memory.
#include "report/measure.h"

#include <fmt/format.h>

#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "hub/store.h"

namespace hearth::cli {

namespace {

struct ReportCommand {
  report::Options options;
  std::string model, out, text, data, calibration, importance;
  std::vector<std::string> profiles;
  bool json = false;

  void operator()() {
    options.model = hub::find_model(model);
    options.out = out;
    options.text = text;
    options.data = data;
    options.calibration = calibration;
    options.importance = importance;
    options.profiles.assign(profiles.begin(), profiles.end());
    options.program = std::filesystem::read_symlink("/proc/self/exe");
    const Interrupt interrupt;
    Progress progress;
    const auto written = report::make_report(options, [&](const std::string& what) {
      progress.show(what);
      return !interrupt.asked();
    });
    progress.clear();
    if (!written.png) fmt::print(stderr, "hearth: no PNG pictures: rsvg-convert is not installed (librsvg2-bin)\n");
    if (json) return print_json(report::to_json(written.report));
    fmt::print("{}\n{}\n", report::recommendation(written.report), (options.out / "index.html").string());
  }
};

}  // namespace

void add_report(CLI::App& app) {
  auto* command = app.add_subcommand("report", "compares methods of compression: quality, size, speed, memory");
  auto run = std::make_shared<ReportCommand>();
  auto& options = run->options;
  command->add_option("MODEL", run->model, "the original")->required();
  command->add_option("--out", run->out, "a folder for the pages, the pictures and report.json")->required();
  command
      ->add_option("--methods", options.methods,
                   "TYPE or TYPE:METHOD, such as q4_k_m,q4_0:feedback, or a compressed FILE.gguf")
      ->delimiter(',');
  command->add_option("--file", run->text, "a text: perplexity and divergence from the original");
  command->add_option("--chunks", options.chunks, "of the text; 0: all")->capture_default_str();
  command->add_option("--context", options.context, "tokens in a chunk")->capture_default_str();
  command->add_option("--data", run->data, "a folder of task data, see evaluate");
  command->add_option("--tasks", options.tasks, "such as boolq,piqa (default: all whose data is there)")
      ->delimiter(',');
  command->add_option("--limit", options.limit, "the first N rows of each task");
  command->add_option("--calibration", run->calibration, "a text for importance and feedback, another than --file");
  command->add_option("--importance", run->importance, "a file of hearth importance");
  command->add_option("--profile", run->profiles, "report.json of another machine (repeatable)");
  add_threads(*command, options.threads);
  command->add_flag("--keep", options.keep, "keep the compressed models in the folder");
  command->add_flag("--json", run->json, "report.json on stdout too");
  command->callback([run] { (*run)(); });
}

}  // namespace hearth::cli
