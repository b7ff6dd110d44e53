// What a report knows of one compressed model, and of the machine that measured it; written and read as JSON.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace hearth::report {

using Json = nlohmann::ordered_json;

struct Figure {
  double value = 0, error = 0;
};

struct TaskFigure {
  std::string task, metric;
  Figure share;       // of rows answered rightly
  std::string right;  // a row each, '1' where it was
};

struct Entry {
  std::string method;  // "original", "q4_k_m:importance"
  std::uint64_t bytes = 0;
  double bits_per_weight = 0;
  double compress_seconds = 0;
  std::optional<Figure> perplexity, divergence, agreement;  // the last two against the original
  std::vector<TaskFigure> tasks;
  std::optional<Figure> average;                  // of the tasks
  double prompt_speed = 0, generation_speed = 0;  // tokens a second
  std::uint64_t peak_memory = 0;                  // of a process that runs it, bytes
};

struct MachineFacts {
  std::string cpu, kernels;
  std::size_t threads = 0;
  std::uint64_t memory = 0, memory_free = 0;
  std::string date;  // of the measurement
};

struct Report {
  std::string model, subject;  // its name; what was measured and how, to tell whether figures may be used again
  MachineFacts machine;
  std::string text_note, task_note;  // "wikitext2-valid.txt, 20 chunks of 512", "100 rows of each task"
  std::vector<Entry> entries;        // the original first

  const Entry& original() const { return entries.front(); }
  const Entry* find(const std::string& method) const;
};

Json to_json(const Report& report);
// Throws bad_input naming `origin` where a key is missing or of another kind.
Report from_json(const Json& document, const std::string& origin);

// The quality that pictures and recommendation go by: the tasks' average, else perplexity.
bool judged_by_tasks(const Report& report);
// Share of the original's quality that an entry keeps: average over average, or perplexity's inverse; with its error,
// which counts only the rows on which the two differ where both tell them.
Figure kept(const Report& report, const Entry& entry);

// One sentence: what to take on this machine, and why.
std::string recommendation(const Report& report);

}  // namespace hearth::report
