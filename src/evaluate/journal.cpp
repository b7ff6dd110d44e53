#include "evaluate/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/error.h"

namespace hearth::evaluate {

std::uint64_t fingerprint(std::string_view text, std::uint64_t start) {
  for (const char c : text) start = (start ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return start;
}

Journal::Journal(std::filesystem::path path, const std::string& subject) : path_(std::move(path)) {
  if (path_.empty()) return;
  std::size_t whole = 0;  // bytes of complete lines that are ours
  if (std::ifstream in(path_, std::ios::binary); in) {
    std::string line;
    while (std::getline(in, line) && !in.eof()) {
      const Row entry = Row::parse(line, nullptr, false);
      if (whole == 0 && !(entry.is_object() && entry.value("subject", "") == subject)) break;
      if (whole > 0) {
        if (!entry.is_object() || !entry.contains("row") || !entry.contains("loglikelihood") ||
            !entry["row"].is_number_unsigned() || !entry["loglikelihood"].is_array())
          break;
        std::vector<double> values;
        for (const Row& value : entry["loglikelihood"]) values.push_back(value.is_number() ? value.get<double>() : NAN);
        rows_[entry["row"]] = std::move(values);
      }
      whole += line.size() + 1;
    }
  }
  file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (file_ < 0 || ::ftruncate(file_, static_cast<off_t>(whole)) != 0 || ::lseek(file_, 0, SEEK_END) < 0)
    throw Error(Code::io, std::strerror(errno), path_.string(), "check that its folder exists and is writable");
  if (whole == 0) write(Row{{"subject", subject}}.dump() + "\n");
}

Journal::~Journal() {
  if (file_ >= 0) ::close(file_);
}

const std::vector<double>* Journal::find(std::uint64_t row, std::size_t choices) const {
  const auto at = rows_.find(row);
  return at == rows_.end() || at->second.size() != choices ? nullptr : &at->second;
}

void Journal::add(std::uint64_t row, std::vector<double> loglikelihoods) {
  if (file_ >= 0) waiting_ += Row{{"row", row}, {"loglikelihood", loglikelihoods}}.dump() + "\n";
  rows_[row] = std::move(loglikelihoods);
}

void Journal::flush() {
  write(std::exchange(waiting_, {}));
}

void Journal::write(const std::string& text) {
  for (std::size_t at = 0; file_ >= 0 && at < text.size();) {
    const ssize_t written = ::write(file_, text.data() + at, text.size() - at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0)
      throw Error(Code::io, std::strerror(errno ? errno : EIO), path_.string(), "what is in it is kept");
    at += std::size_t(written);
  }
}

}  // namespace hearth::evaluate
