#include "evaluate/shots.h"

#include <fmt/format.h>

#include "evaluate/python_random.h"

namespace hearth::evaluate {

namespace {

// A solved example, as it stands before a question.
std::string solved(const Task& task, const DataRow& row) {
  const Example example = at_row(row, [&] { return task.example(row.row); });
  const Choice& right = example.choices[example.gold];
  return fmt::format("{}{}{}{}", right.context, Task::target_delimiter, right.continuation, Task::shot_delimiter);
}

}  // namespace

void add_shots(const Task& task, std::vector<Example>& examples, const std::vector<DataRow>& rows,
               const std::vector<DataRow>& training, std::size_t shots, std::uint64_t seed) {
  if (shots == 0) return;
  const auto& pool = training.empty() ? rows : training;
  // For tasks without a test split the harness draws one more than it needs, to leave out the question itself.
  const bool leave_out = training.empty() || !task.has_test_split();
  if (shots + leave_out > pool.size())
    throw Error(Code::bad_input,
                fmt::format("{} examples of task {} are asked for and there are {}", shots, task.name(),
                            pool.size() - leave_out),
                pool.front().file.string(), "lower --shots");
  PythonRandom random(seed);
  for (std::size_t i = 0; i < examples.size(); ++i) {
    std::string before;
    std::size_t used = 0;
    for (const std::size_t drawn : random.sample(pool.size(), shots + leave_out)) {
      if (used == shots || (leave_out && pool[drawn].row == rows[i].row)) continue;
      before += solved(task, pool[drawn]);
      ++used;
    }
    for (Choice& choice : examples[i].choices) choice.context.insert(0, before);
  }
}

}  // namespace hearth::evaluate
