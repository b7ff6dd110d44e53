#include "base/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/error.h"

namespace hearth {

namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20;

void write_all(int file, std::span<const std::byte> bytes, std::uint64_t position, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(position));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) throw Error(Code::io, std::strerror(errno ? errno : EIO), path.string(), "nothing was changed");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    position += static_cast<std::uint64_t>(written);
  }
}

// Where the links at `path` lead, be it to what is not there yet.
std::filesystem::path follow_links(std::filesystem::path path) {
  std::error_code ignored;
  for (int links = 0; std::filesystem::is_symlink(path, ignored); ++links) {
    if (links == 40) throw Error(Code::io, std::strerror(ELOOP), path.string(), "nothing was changed");
    path = path.parent_path() / std::filesystem::read_symlink(path);
  }
  return path;
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)), target_(follow_links(path_)) {
  std::error_code ignored;
  if (const auto status = std::filesystem::status(path_, ignored);
      std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
    throw Error(Code::io, "not a regular file", path_.string(), "nothing was changed");
  temporary_ = target_.string() + ".XXXXXX";
  file_ = ::mkostemp(temporary_.data(), O_CLOEXEC);
  if (file_ < 0)
    throw Error(Code::io, std::strerror(errno), path_.string(), "check that its folder exists and is writable");
  const mode_t mask = ::umask(0);
  ::umask(mask);
  ::fchmod(file_, 0666 & ~mask);
}

AtomicFile::~AtomicFile() {
  if (file_ < 0) return;
  ::close(file_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::flush() {
  write_all(file_, waiting_, flushed_, path_);
  flushed_ += waiting_.size();
  waiting_.clear();
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(bytes.size(), huge_page - waiting_.size()));
    waiting_.insert(waiting_.end(), part.begin(), part.end());
    bytes = bytes.subspan(part.size());
    if (waiting_.size() == huge_page) flush();
  }
}

void AtomicFile::write_at(std::uint64_t position, std::span<const std::byte> bytes) {
  HEARTH_CHECK(position <= this->position() && bytes.size() <= this->position() - position);
  const auto before = bytes.first(position < flushed_ ? std::min<std::uint64_t>(bytes.size(), flushed_ - position) : 0);
  write_all(file_, before, position, path_);
  const auto after = bytes.subspan(before.size());
  if (!after.empty()) std::ranges::copy(after, waiting_.begin() + std::ptrdiff_t(position + before.size() - flushed_));
}

void AtomicFile::commit() {
  flush();
  if (::fsync(file_) != 0 || ::rename(temporary_.c_str(), target_.c_str()) != 0)
    throw Error(Code::io, std::strerror(errno), path_.string(), "nothing was changed");
  ::close(file_);
  file_ = -1;
}

void check_writable(const std::filesystem::path& out, const std::vector<std::filesystem::path>& in) {
  std::error_code ignored;
  for (const std::filesystem::path& one : in)
    if (std::filesystem::equivalent(one, out, ignored))
      throw Error(Code::usage, "the output is the input itself", out.string(), "give another name");
  AtomicFile{out};
}

}  // namespace hearth
