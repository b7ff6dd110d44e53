#include "report/entry.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "evaluate/statistics.h"

namespace hearth::report {

namespace {

Json figure(const std::optional<Figure>& figure) {
  return figure ? Json{{"value", figure->value}, {"error", figure->error}} : Json();
}

Figure read_figure(const Json& json) {
  return {json.at("value").get<double>(), json.at("error").get<double>()};
}

std::optional<Figure> read_optional(const Json& entry, const char* key) {
  const Json& json = entry.at(key);
  return json.is_null() ? std::nullopt : std::optional(read_figure(json));
}

// The standard error of a's average minus `share` of b's, over the same rows.
std::optional<double> paired_error(const Entry& a, const Entry& b, double share) {
  double squares = 0;
  for (const TaskFigure& one : a.tasks) {
    const auto other =
        std::find_if(b.tasks.begin(), b.tasks.end(), [&](const TaskFigure& task) { return task.task == one.task; });
    if (other == b.tasks.end() || other->right.size() != one.right.size() || one.right.size() < 2) return std::nullopt;
    evaluate::Mean difference;
    for (std::size_t i = 0; i < one.right.size(); ++i)
      difference.add(double(one.right[i] == '1') - share * double(other->right[i] == '1'));
    squares += difference.error() * difference.error();
  }
  return a.tasks.empty() ? std::nullopt : std::optional(std::sqrt(squares) / double(a.tasks.size()));
}

}  // namespace

const Entry* Report::find(const std::string& method) const {
  const auto at =
      std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) { return entry.method == method; });
  return at == entries.end() ? nullptr : &*at;
}

Json to_json(const Report& report) {
  Json document{{"model", report.model},
                {"subject", report.subject},
                {"machine",
                 {{"cpu", report.machine.cpu},
                  {"kernels", report.machine.kernels},
                  {"threads", report.machine.threads},
                  {"memory_bytes", report.machine.memory},
                  {"memory_free_bytes", report.machine.memory_free},
                  {"date", report.machine.date}}},
                {"text", report.text_note},
                {"tasks", report.task_note}};
  document["entries"] = Json::array();
  for (const Entry& entry : report.entries) {
    Json tasks = Json::array();
    for (const TaskFigure& task : entry.tasks)
      tasks.push_back({{"task", task.task},
                       {"metric", task.metric},
                       {"value", task.share.value},
                       {"error", task.share.error},
                       {"right", task.right}});
    document["entries"].push_back({{"method", entry.method},
                                   {"bytes", entry.bytes},
                                   {"bits_per_weight", entry.bits_per_weight},
                                   {"compress_seconds", entry.compress_seconds},
                                   {"perplexity", figure(entry.perplexity)},
                                   {"kl_divergence", figure(entry.divergence)},
                                   {"top_token_agreement", figure(entry.agreement)},
                                   {"tasks", tasks},
                                   {"average", figure(entry.average)},
                                   {"prompt_tokens_per_second", entry.prompt_speed},
                                   {"generation_tokens_per_second", entry.generation_speed},
                                   {"peak_memory_bytes", entry.peak_memory}});
  }
  if (!report.entries.empty()) document["recommendation"] = recommendation(report);
  return document;
}

Report from_json(const Json& document, const std::string& origin) {
  try {
    Report report;
    report.model = document.at("model");
    report.subject = document.at("subject");
    const Json& machine = document.at("machine");
    report.machine = {machine.at("cpu"),          machine.at("kernels"),           machine.at("threads"),
                      machine.at("memory_bytes"), machine.at("memory_free_bytes"), machine.at("date")};
    report.text_note = document.at("text");
    report.task_note = document.at("tasks");
    for (const Json& from : document.at("entries")) {
      Entry entry;
      entry.method = from.at("method");
      entry.bytes = from.at("bytes");
      entry.bits_per_weight = from.at("bits_per_weight");
      entry.compress_seconds = from.at("compress_seconds");
      entry.perplexity = read_optional(from, "perplexity");
      entry.divergence = read_optional(from, "kl_divergence");
      entry.agreement = read_optional(from, "top_token_agreement");
      for (const Json& task : from.at("tasks"))
        entry.tasks.push_back({task.at("task"), task.at("metric"), read_figure(task), task.value("right", "")});
      entry.average = read_optional(from, "average");
      entry.prompt_speed = from.at("prompt_tokens_per_second");
      entry.generation_speed = from.at("generation_tokens_per_second");
      entry.peak_memory = from.at("peak_memory_bytes");
      report.entries.push_back(std::move(entry));
    }
    return report;
  } catch (const Json::exception& error) {
    throw Error(Code::bad_input, fmt::format("not a report ({})", error.what()), origin,
                "give the report.json that hearth report wrote");
  }
}

bool judged_by_tasks(const Report& report) {
  return report.original().average.has_value();
}

Figure kept(const Report& report, const Entry& entry) {
  const auto ratio = [](const Figure& a, const Figure& b) -> Figure {
    if (a.value <= 0 || b.value <= 0) return {};
    const double share = a.value / b.value;
    return {share, share * std::hypot(a.error / a.value, b.error / b.value)};
  };
  if (&entry == &report.original()) return {1, 0};
  if (judged_by_tasks(report)) {
    if (!entry.average) return {};
    Figure share = ratio(*entry.average, *report.original().average);
    if (const auto error = paired_error(entry, report.original(), share.value); error && share.value > 0)
      share.error = *error / report.original().average->value;
    return share;
  }
  // Both were measured over the same words: their errors go together, and what is left of them is small.
  if (!entry.perplexity || !report.original().perplexity) return {};
  return {report.original().perplexity->value / entry.perplexity->value, 0};
}

std::string recommendation(const Report& report) {
  const double free = double(report.machine.memory_free);
  // Of what fits and keeps nearly all, the fastest; speeds within a twentieth count as equal, and quality decides.
  const bool measured = judged_by_tasks(report) || report.original().perplexity;
  const auto quality = [&](const Entry& entry) {  // what is kept for certain, but for one standard error
    const Figure share = kept(report, entry);
    return measured ? share.value - share.error : 1;
  };
  const Entry* best = nullptr;
  double floor = 0;
  for (const double share : {0.98, 0.95, 0.9, 0.0}) {
    double fastest = 0;
    const auto fits = [&](const Entry& entry) { return double(entry.peak_memory) <= free && quality(entry) >= share; };
    for (const Entry& entry : report.entries)
      if (fits(entry)) fastest = std::max(fastest, entry.generation_speed);
    for (const Entry& entry : report.entries)
      if (fits(entry) && entry.generation_speed >= 0.95 * fastest &&
          (!best || quality(entry) > quality(*best) ||
           (quality(entry) == quality(*best) && entry.generation_speed > best->generation_speed)))
        best = &entry;
    floor = share;
    if (best) break;
  }
  const std::string place = fmt::format("On this machine ({}, {} threads, {:.1f} GB free)", report.machine.cpu,
                                        report.machine.threads, free / 1e9);
  if (!best) return fmt::format("{}: none of these fits into memory.", place);
  if (!measured)
    return fmt::format("{}: {} is the fastest, {:.0f} tokens/s generated; quality was not measured.", place,
                       best->method, best->generation_speed);
  const std::string_view measure =
      judged_by_tasks(report) ? "the original's task performance" : "the original's perplexity";
  const std::string reason = floor > 0 ? fmt::format("the fastest that keeps at least {:.0f}%", 100 * floor)
                                       : std::string("the fastest that fits, though none keeps 90%");
  const Figure share = kept(report, *best);
  const std::string sure = share.error > 0 ? fmt::format(" ± {:.1f}", 100 * share.error) : "";
  return fmt::format(
      "{}: take {}, {}: {:.1f} MB, {:.1f}{}% of {}, {:.0f} tokens/s generated, {:.0f} MB of memory at most.", place,
      best->method, reason, double(best->bytes) / 1e6, 100 * share.value, sure, measure, best->generation_speed,
      double(best->peak_memory) / 1e6);
}

}  // namespace hearth::report
