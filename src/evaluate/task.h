// A task: how a row of data becomes choices for a model to weigh. Tasks are data, one JSON file each (see tasks/ and
// docs/how-to/measure.md); what they say is what lm-evaluation-harness says for the same task.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace hearth::evaluate {

using Row = nlohmann::ordered_json;

// A choice: how likely is `continuation` after `context`?
struct Choice {
  std::string context, continuation;  // the continuation without the space that goes before it
  std::size_t bytes = 0;              // of the continuation, which acc_norm divides by
};

struct Example {
  std::vector<Choice> choices;
  std::size_t gold = 0;
};

class Task {
 public:
  // Throws bad_input naming `origin` and the key at fault.
  static Task parse(std::string_view json, const std::string& origin);
  ~Task();
  Task(Task&&) noexcept;
  Task& operator=(Task&&) noexcept;

  const std::string& name() const noexcept { return name_; }
  const std::string& about() const noexcept { return about_; }
  double version() const noexcept { return version_; }
  // Where a data set keeps its rows: its own folder's names, the splits that are scored (by preference).
  const std::vector<std::string>& folders() const noexcept { return folders_; }
  const std::vector<std::string>& splits() const noexcept { return splits_; }
  bool has_test_split() const noexcept;
  bool reports_acc_norm() const noexcept { return reports_acc_norm_; }

  // Throws bad_input with the fault alone: the caller knows the file and the row.
  Example example(const Row& row) const;

  static constexpr std::string_view target_delimiter = " ", shot_delimiter = "\n\n";

 private:
  struct Layout;
  Task();
  const Layout& layout_of(const Row& row) const;

  std::string name_, about_;
  double version_ = 0;
  std::vector<std::string> folders_, splits_;
  bool reports_acc_norm_ = false;
  std::vector<std::unique_ptr<const Layout>> layouts_;
};

// The built-in tasks, by name.
std::vector<Task> builtin_tasks();

}  // namespace hearth::evaluate
