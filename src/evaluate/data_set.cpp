#include "evaluate/data_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <set>

#include "base/error.h"

namespace hearth::evaluate {

namespace fs = std::filesystem;

namespace {

using Words = std::set<std::string>;

Words words_of(const std::string& text) {
  Words words;
  std::string word;
  for (const char c : text + "-") {
    if (std::isalnum(static_cast<unsigned char>(c))) {
      word += char(std::tolower(static_cast<unsigned char>(c)));
    } else if (!word.empty()) {
      words.insert(std::exchange(word, {}));
    }
  }
  return words;
}

bool names_split(const fs::path& file, const std::string& split) {
  Words names{split};
  if (split == "validation") names.insert({"valid", "val", "dev"});
  const Words words = words_of(file.stem().string());
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return words.count(name) > 0; });
}

std::vector<fs::path> sorted_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.is_regular_file(error)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

bool has_extension(const fs::path& file, std::initializer_list<std::string_view> extensions) {
  return std::find(extensions.begin(), extensions.end(), file.extension().string()) != extensions.end();
}

std::vector<fs::path> split_files(const Task& task, const fs::path& folder, const std::string& split, bool only_task,
                                  std::initializer_list<std::string_view> extensions) {
  const auto matching = [&](const fs::path& where, std::string_view prefix) {
    std::vector<fs::path> found;
    for (const fs::path& file : sorted_files(where)) {
      const std::string name = file.filename().string();
      const bool prefixed =
          prefix.empty() || (name.size() > prefix.size() && name.compare(0, prefix.size(), prefix) == 0 &&
                             !std::isalnum(static_cast<unsigned char>(name[prefix.size()])));
      if (prefixed && has_extension(file, extensions) && names_split(file, split)) found.push_back(file);
    }
    return found;
  };
  if (auto found = matching(folder, task.name()); !found.empty()) return found;
  std::vector<fs::path> roots;
  for (const std::string& own : task.folders()) {
    roots.push_back(folder / own);
    if (const auto slash = own.find('/'); slash != own.npos) roots.push_back(folder / own.substr(slash + 1));
  }
  if (only_task) roots.push_back(folder);
  for (const fs::path& root : roots)
    for (const fs::path& place : {root, root / "data"})
      if (auto found = matching(place, {}); !found.empty()) return found;
  return {};
}

std::vector<fs::path> find_split(const Task& task, const fs::path& folder, const std::vector<std::string>& splits,
                                 bool only_task) {
  for (const std::string& split : splits)
    if (auto found = split_files(task, folder, split, only_task, {".jsonl", ".json"}); !found.empty()) return found;
  for (const std::string& split : splits)
    if (const auto found = split_files(task, folder, split, only_task, {".parquet", ".arrow"}); !found.empty())
      throw Error(Code::unsupported, "Parquet and Arrow files are not read here", found[0].string(),
                  "turn them into JSON lines with the Python package");
  return {};
}

}  // namespace

std::string DataRow::place() const {
  return fmt::format("{} row {}", file.string(), number);
}

std::vector<fs::path> scored_files(const Task& task, const fs::path& folder, bool only_task) {
  if (!fs::is_directory(folder)) throw Error(Code::not_found, "no such folder of data", folder.string());
  if (const fs::path plain = folder / (task.name() + ".jsonl"); fs::exists(plain)) return {plain};
  return find_split(task, folder, task.splits(), only_task);
}

std::vector<fs::path> training_files(const Task& task, const fs::path& folder, bool only_task) {
  return find_split(task, folder, {"train"}, only_task);
}

std::vector<DataRow> read_rows(const std::vector<fs::path>& files) {
  std::vector<DataRow> rows;
  for (const fs::path& path : files) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw Error(Code::io, "cannot be read", path.string());
    std::string line;
    for (std::size_t number = 1; std::getline(file, line); ++number) {
      if (line.find_first_not_of(" \t\r") == line.npos) continue;
      Row row = Row::parse(line, nullptr, false);
      if (row.is_discarded())
        throw Error(Code::bad_input, "a row is not JSON", fmt::format("{} row {}", path.string(), number));
      rows.push_back({std::move(row), path, number});
    }
    if (file.bad()) throw Error(Code::io, "cannot be read to its end", path.string());
  }
  if (rows.empty()) throw Error(Code::bad_input, "there are no rows", files.empty() ? "" : files[0].string());
  return rows;
}

}  // namespace hearth::evaluate
