#include "evaluate/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "base/whole_file.h"

namespace hearth::evaluate {

std::uint64_t fingerprint(std::string_view text, std::uint64_t start) {
  for (const char c : text) start = (start ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return start;
}

namespace {

// {FINGERPRINT, log-likelihoods}, or nothing.
std::optional<std::pair<std::uint64_t, std::vector<double>>> parse_row(std::string_view line) {
  const Row entry = Row::parse(line, nullptr, false);
  if (!entry.is_object() || !entry.contains("row") || !entry.contains("loglikelihood") ||
      !entry["row"].is_number_unsigned() || !entry["loglikelihood"].is_array())
    return {};
  std::vector<double> values;
  for (const Row& value : entry["loglikelihood"]) values.push_back(value.is_number() ? value.get<double>() : NAN);
  return {{entry["row"], std::move(values)}};
}

}  // namespace

Journal::Journal(std::filesystem::path path) : path_(std::move(path)) {
  if (path_.empty()) return;
  file_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (file_ < 0)
    throw Error(Code::io, std::strerror(errno), path_.string(), "check that its folder exists and is writable");
}

Journal::Journal(std::filesystem::path path, const std::string& subject) : Journal(std::move(path)) {
  if (file_ < 0) return;
  struct stat now {};  // no links: that run has just removed it
  if ((::flock(file_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) ||
      (::fstat(file_, &now) == 0 && now.st_nlink == 0))
    throw Error(Code::io, "another run is writing its finished rows there", path_.string(), "give another name");
  const std::string text = read_file(path_), head = Row{{"subject", subject}}.dump() + "\n";
  if (!text.starts_with(head) && !head.starts_with(text))
    throw Error(Code::bad_input, "holds finished rows of another run, or something else", path_.string(),
                "finish that run first, remove the file, or give another name");
  ours_ = true;
  std::size_t whole = text.starts_with(head) ? head.size() : 0;
  for (std::size_t end; whole > 0 && (end = text.find('\n', whole)) != text.npos; whole = end + 1)
    if (auto row = parse_row(std::string_view(text).substr(whole, end - whole)))
      rows_.insert_or_assign(row->first, std::move(row->second));
  if (::ftruncate(file_, static_cast<off_t>(whole)) != 0) throw Error(Code::io, std::strerror(errno), path_.string());
  if (whole == 0) write(head);
}

Journal::~Journal() {
  if (ours_ && rows_.empty()) remove();
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

void Journal::remove() const {
  if (file_ >= 0) ::unlink(path_.c_str());
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
