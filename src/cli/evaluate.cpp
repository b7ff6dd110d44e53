// hearth evaluate: the tasks that lm-evaluation-harness defines, over data in a folder.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "base/error.h"
#include "base/whole_file.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "evaluate/evaluation.h"
#include "evaluate/journal.h"
#include "gguf/writer.h"
#include "hub/store.h"

namespace hearth::cli {

namespace {

struct Evaluate {
  ModelOptions model;
  evaluate::EvaluationOptions options;
  std::vector<std::string> task_files;
  std::string data, items, out;
  bool json = false;

  // Names in `read` the files it comes from.
  std::vector<evaluate::Task> library(std::vector<std::filesystem::path>& read) const {
    auto tasks = evaluate::builtin_tasks();
    const auto add = [&](const std::filesystem::path& file) {
      auto task = evaluate::Task::parse(read_text(file.string()), file.string());
      std::erase_if(tasks, [&](const evaluate::Task& other) { return other.name() == task.name(); });
      tasks.push_back(std::move(task));
      read.push_back(file);
    };
    for (const std::string& path : task_files) {
      if (!std::filesystem::is_directory(path)) {
        add(path);
        continue;
      }
      std::vector<std::filesystem::path> files;
      for (const auto& entry : std::filesystem::directory_iterator(path))
        if (entry.path().extension() == ".json") files.push_back(entry.path());
      std::sort(files.begin(), files.end());
      if (files.empty()) throw Error(Code::not_found, "no task files (*.json) in the folder", path);
      for (const auto& file : files) add(file);
    }
    return tasks;
  }

  void operator()() {
    if (!out.empty() && std::filesystem::weakly_canonical(items) == std::filesystem::weakly_canonical(out))
      throw Error(Code::usage, "--items and --out are one file", out, "give two names");
    options.data = data;
    std::vector<std::filesystem::path> read;
    const auto tasks = library(read);
    std::ranges::copy(evaluate::data_files(tasks, options), std::back_inserter(read));
    for (const std::string& file : {items, out})
      if (!file.empty()) gguf::check_writable(file, hub::find_model(model.model), read);
    if (!items.empty() || !out.empty()) options.journal = (items.empty() ? out : items) + ".part";
    const auto engine = model.open();
    const Interrupt interrupt;
    Progress progress;
    const auto result =
        evaluate::evaluate(*engine, tasks, options, [&](const std::string& task, std::size_t done, std::size_t of) {
          progress.show(fmt::format("{} {}/{}", task, done, of));
          return !interrupt.asked();
        });
    progress.clear();

    if (!items.empty()) {
      std::string lines;
      for (const auto& task : result.tasks)
        for (const auto& item : task.items) lines += to_text(evaluate::to_json(item, task.name)) + "\n";
      write_file(items, lines);
    }
    auto document = evaluate::to_json(result, options);
    document["config"]["model_args"] = model.model;
    document["model_name"] = model.model;
    if (!out.empty()) write_file(out, to_text(document, 2) + "\n");
    if (result.others == 0)
      result.journal->remove();  // all of it is elsewhere now
    else
      fmt::print(stderr, "hearth: {} finished rows that this run does not have stay in {}\n", result.others,
                 options.journal.string());
    if (json) return print_json(document);
    fmt::print("{}{} rows in {:.1f} s, {:.1f} rows/s", evaluate::table(result, options), result.rows, result.seconds,
               result.seconds > 0 ? double(result.rows) / result.seconds : 0);
    if (result.kept) fmt::print(", {} rows kept from an unfinished run", result.kept);
    fmt::print("\n");
  }
};

}  // namespace

void add_evaluate(CLI::App& app) {
  auto* command = app.add_subcommand("evaluate", "multiple-choice tasks, as lm-evaluation-harness scores them");
  auto run = std::make_shared<Evaluate>();
  run->model.add_to(*command);
  run->model.add_rope_to(*command);
  command->add_option("--data", run->data, "a folder with TASK.jsonl files, or data sets as Hugging Face has them")
      ->required();
  command->add_option("--tasks", run->options.tasks, "such as boolq,piqa (default: all whose data is there)")
      ->delimiter(',');
  command->add_option("--task-file", run->task_files, "a task of your own, or a folder of them (repeatable)");
  command->add_option("--limit", run->options.limit, "the first N rows of each task");
  command->add_option("--shots", run->options.shots, "solved examples before each question")->capture_default_str();
  command->add_option("--seed", run->options.seed, "draws the examples")->capture_default_str();
  command->add_option("--batch", run->options.rows_at_once, "rows that a thread scores together at most")
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  command->add_option("--items", run->items, "each row's log-likelihoods, as JSON lines");
  command->add_option("--out", run->out, "the results as a JSON file");
  command->add_flag("--json", run->json, "the results on stdout, in lm-evaluation-harness's layout");
  command->callback([run] { (*run)(); });
}

}  // namespace hearth::cli
