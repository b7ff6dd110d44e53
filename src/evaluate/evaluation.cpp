#include "evaluate/evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "base/error.h"
#include "engine/score.h"
#include "evaluate/data_set.h"
#include "evaluate/journal.h"
#include "evaluate/python_space.h"
#include "evaluate/shots.h"

namespace hearth::evaluate {

namespace {

// Tokens of context and continuation, cut where lm-evaluation-harness cuts them.
class Encoder {
 public:
  Encoder(const engine::Engine& engine) : tokenizer_(engine.tokenizer()), context_length_(engine.context_length()) {}

  engine::Continuation encode(std::string_view context, std::string continuation) {
    const std::string_view stripped = strip_end(context);
    continuation.insert(0, context.substr(stripped.size()));
    engine::Continuation one;
    if (stripped.empty()) {
      one.tokens = {prefix()};
      const auto rest = tokenizer_.encode(continuation, {.add_special = false});
      one.tokens.insert(one.tokens.end(), rest.begin(), rest.end());
      one.from = 1;
    } else {
      if (stripped != context_) {
        context_ = stripped;
        context_tokens_ = tokenizer_.encode(stripped, {.goes_on = true}).size();
      }
      one.tokens = tokenizer_.encode(context_ + continuation, {.goes_on = true});
      one.from = context_tokens_;
    }
    if (one.from >= one.tokens.size()) throw Error(Code::bad_input, "a choice adds no token to its context");
    if (const std::size_t room = context_length_ + 1; one.tokens.size() > room) {  // the end of a long context counts
      const std::size_t over = one.tokens.size() - room;
      if (over >= one.from)
        throw Error(Code::too_long, fmt::format("a choice has {} tokens and the context holds {}",
                                                one.tokens.size() - one.from, context_length_));
      one.tokens.erase(one.tokens.begin(), one.tokens.begin() + std::ptrdiff_t(over));
      one.from -= over;
    }
    return one;
  }

 private:
  Token prefix() const {
    const Token token = tokenizer_.bos() != no_token ? tokenizer_.bos() : tokenizer_.eos();
    if (token == no_token) throw Error(Code::bad_input, "the context is empty and the model has no first token");
    return token;
  }

  const text::Tokenizer& tokenizer_;
  std::size_t context_length_;
  std::string context_;
  std::size_t context_tokens_ = 0;
};

// A task, its data, and what came of it.
struct Run {
  const Task* task;
  std::vector<DataRow> rows;
  std::vector<DataRow> shot_rows;  // empty: the rows themselves
  std::vector<Example> examples;
  std::vector<std::uint64_t> fingerprints;
  TaskResult result;
};

std::vector<const Task*> choose(const std::vector<Task>& library, const std::vector<std::string>& names) {
  std::vector<const Task*> chosen;
  for (const std::string& name : names) {
    const auto at = std::find_if(library.begin(), library.end(), [&](const Task& task) { return task.name() == name; });
    if (at == library.end()) {
      std::vector<std::string> known;
      known.reserve(library.size());
      for (const Task& task : library) known.push_back(task.name());
      throw Error(Code::usage, fmt::format("there is no task \"{}\"", name), {},
                  fmt::format("known are {}", fmt::join(known, ", ")));
    }
    if (std::find(chosen.begin(), chosen.end(), &*at) == chosen.end()) chosen.push_back(&*at);
  }
  return chosen;
}

// Where a task's rows stand, and those it draws examples from.
struct Source {
  const Task* task;
  std::vector<std::filesystem::path> scored, training;
};

std::vector<Source> find_sources(const std::vector<Task>& library, const EvaluationOptions& options) {
  std::vector<const Task*> tasks = choose(library, options.tasks);
  const bool all = tasks.empty();
  if (all)
    for (const Task& task : library) tasks.push_back(&task);
  const bool only = tasks.size() == 1;
  std::vector<Source> sources;
  for (const Task* task : tasks) {
    Source source{task, scored_files(*task, options.data, only), {}};
    if (source.scored.empty()) {
      if (all) continue;
      throw Error(Code::not_found, fmt::format("no rows for task {}", task->name()), options.data.string(),
                  fmt::format("put them in {}.jsonl", task->name()));
    }
    if (options.shots > 0) source.training = training_files(*task, options.data, only);
    sources.push_back(std::move(source));
  }
  if (sources.empty())
    throw Error(Code::not_found, "no task's rows are in the folder", options.data.string(),
                "a task's file is TASK.jsonl, such as piqa.jsonl");
  return sources;
}

std::vector<Run> load(const std::vector<Task>& library, const EvaluationOptions& options) {
  std::vector<Run> runs;
  for (const auto& [task, scored, training] : find_sources(library, options)) {
    Run run{task, read_rows(scored), {}, {}, {}, {}};
    if (!training.empty()) run.shot_rows = read_rows(training);
    runs.push_back(std::move(run));
  }
  return runs;
}

// Renders and checks every row that will be scored.
void prepare(Run& run, const EvaluationOptions& options) {
  run.result.name = run.task->name();
  run.result.version = run.task->version();
  run.result.reports_acc_norm = run.task->reports_acc_norm();
  run.result.available = run.rows.size();
  const std::size_t count = options.limit ? std::min(options.limit, run.rows.size()) : run.rows.size();
  for (std::size_t i = 0; i < count; ++i)
    run.examples.push_back(at_row(run.rows[i], [&] { return run.task->example(run.rows[i].row); }));
  add_shots(*run.task, run.examples, run.rows, run.shot_rows, options.shots, options.seed);
  for (const Example& example : run.examples) {
    std::uint64_t mark = fingerprint(run.task->name());
    for (const Choice& choice : example.choices)
      mark = fingerprint(choice.continuation, fingerprint("\x1f", fingerprint(choice.context, mark)));
    run.fingerprints.push_back(mark);
  }
}

Item judge(const Run& run, std::size_t index, const std::vector<double>& logs) {
  const Example& example = run.examples[index];
  const Row& row = run.rows[index].row;
  Item item;
  item.id = fmt::format("{}-{}", run.task->name(), index);
  item.row = index;
  item.gold = example.gold;
  if (const auto id = row.find("id"); id != row.end() && (id->is_string() || id->is_number()))
    item.id = id->is_string() ? id->get<std::string>() : id->dump();
  item.loglikelihood = logs;
  for (const Choice& choice : example.choices) item.bytes.push_back(choice.bytes);
  std::vector<double> normalised;
  for (std::size_t i = 0; i < logs.size(); ++i) normalised.push_back(logs[i] / double(item.bytes[i]));
  const auto best = [](const std::vector<double>& of) {
    return std::size_t(std::max_element(of.begin(), of.end()) - of.begin());
  };
  item.acc = best(logs) == item.gold;
  item.acc_norm = best(normalised) == item.gold;
  return item;
}

// What the log-likelihoods depend on besides the text.
std::string subject_of(const engine::Engine& engine) {
  std::uint64_t mark = fingerprint("");
  for (const gguf::Tensor& tensor : engine.model().file().tensors()) {
    const auto sample = tensor.data.first(std::min<std::size_t>(tensor.data.size(), 512));
    mark = fingerprint({reinterpret_cast<const char*>(sample.data()), sample.size()}, fingerprint(tensor.name, mark));
  }
  const auto& rotary = engine.model().hyperparameters().rotary;
  return fmt::format("{:016x} {} context {} cache {} rope {} {} {}", mark, engine.model().file().bytes(),
                     engine.context_length(), int(engine.options().kv_type), int(rotary.scaling), rotary.factor,
                     rotary.base);
}

// Where a row stands.
struct Place {
  const Run* run;
  std::size_t row;
};

// Finds log-likelihoods for the rows of all runs: in the journal, or from the model.
void score(engine::Engine& engine, const std::vector<Run>& runs, Journal& journal, const EvaluationOptions& options,
           const std::function<bool(const std::string&, std::size_t, std::size_t)>& progress, Evaluation& evaluation) {
  Encoder encoder(engine);
  std::vector<Place> places;
  std::vector<std::vector<engine::Continuation>> groups;
  for (const Run& run : runs)
    for (std::size_t i = 0; i < run.examples.size(); ++i) {
      const Example& example = run.examples[i];
      if (journal.find(run.fingerprints[i], example.choices.size())) {
        ++evaluation.kept;
        continue;
      }
      places.push_back({.run = &run, .row = i});
      groups.emplace_back();
      at_row(run.rows[i], [&] {
        for (const Choice& choice : example.choices)
          groups.back().push_back(
              encoder.encode(choice.context, std::string(Task::target_delimiter) + choice.continuation));
      });
      for (const auto& one : groups.back()) evaluation.tokens += one.tokens.size();
    }
  const auto keep = [&](std::size_t first, std::span<const std::vector<engine::Likelihood>> results) {
    for (std::size_t i = 0; i < results.size(); ++i) {
      std::vector<double> logs;
      for (const engine::Likelihood& likelihood : results[i]) logs.push_back(likelihood.log);
      const auto [run, row] = places[first + i];
      journal.add(run->fingerprints[row], std::move(logs));
    }
    journal.flush();
  };
  const auto tell = [&](std::size_t done) {
    if (!progress || done == 0) return true;
    const auto [run, row] = places[done - 1];
    return progress(run->task->name(), row + 1, run->examples.size());
  };
  engine::score(engine, groups, {.groups_at_once = options.rows_at_once, .progress = tell, .finished = keep});
  evaluation.rows = groups.size();
}

void count(Run& run, const Journal& journal) {
  for (std::size_t i = 0; i < run.examples.size(); ++i) {
    Item item = judge(run, i, *journal.find(run.fingerprints[i], run.examples[i].choices.size()));
    run.result.acc.add(item.acc);
    run.result.acc_norm.add(item.acc_norm);
    run.result.items.push_back(std::move(item));
  }
}

}  // namespace

double Evaluation::average() const {
  double sum = 0;
  for (const TaskResult& task : tasks) sum += task.main().value();
  return tasks.empty() ? 0 : sum / double(tasks.size());
}

double Evaluation::average_error() const {
  double squares = 0;
  for (const TaskResult& task : tasks) squares += task.main().error() * task.main().error();
  return tasks.empty() ? 0 : std::sqrt(squares) / double(tasks.size());
}

std::vector<std::filesystem::path> data_files(const std::vector<Task>& library, const EvaluationOptions& options) {
  std::vector<std::filesystem::path> files;
  for (const Source& source : find_sources(library, options))
    for (const auto* some : {&source.scored, &source.training}) files.insert(files.end(), some->begin(), some->end());
  return files;
}

Evaluation evaluate(engine::Engine& engine, const std::vector<Task>& library, const EvaluationOptions& options,
                    const std::function<bool(const std::string&, std::size_t, std::size_t)>& progress) {
  if (engine.model().is_encoder())
    throw Error(Code::unsupported, "an encoder weighs no continuations", engine.model().file().metadata().origin());
  std::vector<Run> runs = load(library, options);
  for (Run& run : runs) prepare(run, options);

  Evaluation evaluation;
  const auto kept = std::make_shared<Journal>(options.journal, subject_of(engine));
  Journal& journal = *kept;
  evaluation.journal = kept;
  const auto start = std::chrono::steady_clock::now();
  score(engine, runs, journal, options, progress, evaluation);
  std::set<std::uint64_t> ours;
  for (Run& run : runs) {
    count(run, journal);
    ours.insert(run.fingerprints.begin(), run.fingerprints.end());
    evaluation.tasks.push_back(std::move(run.result));
  }
  evaluation.others = journal.kept() - ours.size();
  evaluation.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return evaluation;
}

}  // namespace hearth::evaluate
