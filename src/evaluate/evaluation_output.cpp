#include <fmt/format.h>

#include <cmath>
#include <ctime>

#include "evaluate/evaluation.h"

namespace hearth::evaluate {

namespace {

using Json = nlohmann::ordered_json;

// Calls with each metric that the task reports.
template <class Use>
void for_metrics(const TaskResult& task, Use&& use) {
  use("acc", task.acc);
  if (task.reports_acc_norm) use("acc_norm", task.acc_norm);
}

double rounded(double value) {
  return std::round(value * 1e6) / 1e6;
}

}  // namespace

Json to_json(const Item& item, const std::string& task) {
  Json logs = Json::array();
  for (const double log : item.loglikelihood) logs.push_back(rounded(log));
  return {{"id", item.id},         {"task", task},        {"doc_id", item.row}, {"gold", item.gold},
          {"loglikelihood", logs}, {"bytes", item.bytes}, {"acc", item.acc},    {"acc_norm", item.acc_norm}};
}

Json to_json(const Evaluation& evaluation, const EvaluationOptions& options) {
  Json results, subtasks, configs, versions, shots, higher, samples;
  for (const TaskResult& task : evaluation.tasks) {
    Json& result = results[task.name] = {{"alias", task.name}};
    configs[task.name] = {{"task", task.name},
                          {"output_type", "multiple_choice"},
                          {"target_delimiter", Task::target_delimiter},
                          {"fewshot_delimiter", Task::shot_delimiter},
                          {"num_fewshot", options.shots}};
    for_metrics(task, [&](const std::string& metric, const Mean& mean) {
      result[metric + ",none"] = mean.value();
      result[metric + "_stderr,none"] = mean.error();
      higher[task.name][metric] = true;
      configs[task.name]["metric_list"].push_back(
          {{"metric", metric}, {"aggregation", "mean"}, {"higher_is_better", true}});
    });
    subtasks[task.name] = Json::array();
    versions[task.name] = task.version;
    shots[task.name] = options.shots;
    samples[task.name] = {{"original", task.available}, {"effective", task.acc.count}};
  }
  return {
      {"results", results},
      {"average",
       {{"value", evaluation.average()}, {"stderr", evaluation.average_error()}, {"tasks", evaluation.tasks.size()}}},
      {"group_subtasks", subtasks},
      {"configs", configs},
      {"versions", versions},
      {"n-shot", shots},
      {"higher_is_better", higher},
      {"n-samples", samples},
      {"config",
       {{"model", "hearth"}, {"limit", options.limit ? Json(options.limit) : Json()}, {"fewshot_seed", options.seed}}},
      {"date", double(std::time(nullptr))},
      {"rows", {{"scored", evaluation.rows}, {"kept", evaluation.kept}}},
      {"rows_per_second", evaluation.seconds > 0 ? double(evaluation.rows) / evaluation.seconds : 0},
      {"tokens_per_second", evaluation.seconds > 0 ? double(evaluation.tokens) / evaluation.seconds : 0},
      {"total_evaluation_time_seconds", fmt::format("{:.3f}", evaluation.seconds)}};
}

std::string table(const Evaluation& evaluation, const EvaluationOptions& options) {
  constexpr std::string_view line = "|{:<13}|{:>7}|{:>6}|{:<8}|{:>6}|{:>6}|   |{:>6}|\n";
  std::string text = fmt::format(fmt::runtime(line), "Tasks", "Version", "n-shot", "Metric", "Rows", "Value", "Stderr");
  text += "|-------------|------:|-----:|--------|-----:|-----:|---|-----:|\n";
  for (const TaskResult& task : evaluation.tasks) {
    std::string name = task.name, version = fmt::format("{:g}", task.version), shots = std::to_string(options.shots);
    for_metrics(task, [&](const std::string& metric, const Mean& mean) {
      text += fmt::format("|{:<13}|{:>7}|{:>6}|{:<8}|{:>6}|{:>6.4f}|±  |{:>6.4f}|\n", std::exchange(name, {}),
                          std::exchange(version, {}), std::exchange(shots, {}), metric, mean.count, mean.value(),
                          mean.error());
    });
  }
  text += fmt::format("|{:<13}|{:>7}|{:>6}|{:<8}|{:>6}|{:>6.4f}|±  |{:>6.4f}|\n",
                      fmt::format("average of {}", evaluation.tasks.size()), "", "", "", "", evaluation.average(),
                      evaluation.average_error());
  return text;
}

}  // namespace hearth::evaluate
