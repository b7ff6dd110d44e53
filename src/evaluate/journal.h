// Finished rows of an evaluation, kept on disk as it goes, so that a run that was killed goes on where it was.
#pragma once

#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

#include "evaluate/task.h"

namespace hearth::evaluate {

// Sixty-four bits of a text (FNV-1a), to tell inputs apart.
std::uint64_t fingerprint(std::string_view text, std::uint64_t start = 0xcbf29ce484222325u);

// A file of JSON lines: the first names what was measured (`subject`), each other a finished row's log-likelihoods
// under the fingerprint of its text. A half-written last line counts for nothing.
class Journal {
 public:
  // Opens or starts the file; an empty path keeps rows in memory alone. Throws bad_input where the file is of another
  // subject or no journal, which it leaves as it is, and io, also while another run writes it.
  Journal(std::filesystem::path path, const std::string& subject);
  ~Journal();  // with no row in it the file goes
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Null where there is none of so many choices.
  const std::vector<double>* find(std::uint64_t row, std::size_t choices) const;
  void add(std::uint64_t row, std::vector<double> loglikelihoods);
  void flush();         // what was added is in the file's hands
  void remove() const;  // the file, before another run can have it
  std::size_t kept() const noexcept { return rows_.size(); }

 private:
  explicit Journal(std::filesystem::path path);
  void write(const std::string& text);
  std::filesystem::path path_;
  int file_ = -1;
  bool ours_ = false;  // the file: no other run's, and nothing else
  std::string waiting_;
  std::unordered_map<std::uint64_t, std::vector<double>> rows_;
};

}  // namespace hearth::evaluate
