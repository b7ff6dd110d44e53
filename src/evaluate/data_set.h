// Where a task's rows stand in a folder of data, and the rows.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "evaluate/task.h"

namespace hearth::evaluate {

struct DataRow {
  Row row;
  std::filesystem::path file;
  std::size_t number = 0;  // of the line, from 1

  std::string place() const;  // "FILE row N", for messages
};

// The files of JSON lines with the rows of `task` below `folder`; none where it is not there. Either FOLDER/TASK.jsonl,
// or files whose names say the split (SPLIT.jsonl, TASK_SPLIT.jsonl, SPLIT-00000-of-00002.jsonl), in FOLDER itself with
// the task's name before, or in one of the task's own folders or its data/, as Hugging Face lays out a data set.
// `only_task`: FOLDER may itself be that. Throws not_found for no such folder, unsupported (naming the file) where the
// split is there as Parquet or Arrow only.
std::vector<std::filesystem::path> scored_files(const Task& task, const std::filesystem::path& folder, bool only_task);
std::vector<std::filesystem::path> training_files(const Task& task, const std::filesystem::path& folder,
                                                  bool only_task);

// Throws again, with the row's place, what `use` finds wrong with it.
template <class Use>
auto at_row(const DataRow& row, Use&& use) {
  try {
    return use();
  } catch (const Error& error) {
    throw Error(error.code(), error.what(), row.place());
  }
}

// Every row of the files. Throws bad_input naming file and row for what is not JSON, or where there is no row at all.
std::vector<DataRow> read_rows(const std::vector<std::filesystem::path>& files);

}  // namespace hearth::evaluate
