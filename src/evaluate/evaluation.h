// The tasks, run: rows of data rendered, encoded, scored by a model, counted.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "evaluate/statistics.h"
#include "evaluate/task.h"

namespace hearth::evaluate {

class Journal;

struct EvaluationOptions {
  std::filesystem::path data = {};      // a folder, see data_set.h
  std::vector<std::string> tasks = {};  // names; none: all whose data is there
  std::size_t limit = 0;                // rows of each task, from the first; 0: all
  std::size_t shots = 0;                // solved examples before each question
  std::uint64_t seed = 1234;            // draws them, as lm-evaluation-harness does
  std::filesystem::path journal = {};   // keeps finished rows: a run that was killed goes on from it. The caller's to
                                        // remove, when the results are where they belong and `others` is 0
  std::size_t rows_at_once = 64;        // that a thread scores together at most, fewer where that takes long
};

struct Item {
  std::string id;
  std::size_t row = 0;  // from 0
  std::size_t gold = 0;
  std::vector<double> loglikelihood;  // nats, one a choice
  std::vector<std::size_t> bytes;
  bool acc = false, acc_norm = false;
};

struct TaskResult {
  std::string name;
  double version = 0;
  std::size_t available = 0;  // rows in the data
  bool reports_acc_norm = false;
  Mean acc, acc_norm;
  std::vector<Item> items;

  const Mean& main() const { return reports_acc_norm ? acc_norm : acc; }  // the metric that averages take
};

struct Evaluation {
  std::vector<TaskResult> tasks;
  std::size_t rows = 0, kept = 0;          // scored in this run; found in the journal
  std::size_t others = 0;                  // rows in the journal that this run does not have
  std::size_t tokens = 0;                  // as a harness would run them: context and continuation of every choice
  double seconds = 0;                      // of scoring and encoding
  std::shared_ptr<const Journal> journal;  // no other run has its file until this goes
  double average() const;                  // of the tasks' main metrics
  double average_error() const;
};

// `library`: the tasks that `options.tasks` may name. Reads and checks all rows before anything is computed. `progress`
// hears the task it is at, its rows done and all of them, and returns false to stop with cancelled. Throws usage for an
// unknown task, not_found where a task has no data, bad_input naming file and row, and where the journal is of another
// model.
Evaluation evaluate(
    engine::Engine& engine, const std::vector<Task>& library, const EvaluationOptions& options,
    const std::function<bool(const std::string& task, std::size_t done, std::size_t of)>& progress = {});

// The files whose rows `evaluate` reads. Throws as it does where there are none.
std::vector<std::filesystem::path> data_files(const std::vector<Task>& library, const EvaluationOptions& options);

// One JSON line an item, as the reference results have them; lm-evaluation-harness's document; its table.
nlohmann::ordered_json to_json(const Item& item, const std::string& task);
nlohmann::ordered_json to_json(const Evaluation& evaluation, const EvaluationOptions& options);
std::string table(const Evaluation& evaluation, const EvaluationOptions& options);

}  // namespace hearth::evaluate
