#include "base/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/error.h"

namespace hearth {

namespace {
void write_all(int file, std::span<const std::byte> bytes, std::uint64_t position, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(position));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) throw Error(Code::io, std::strerror(errno ? errno : EIO), path.string(), "nothing was changed");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    position += static_cast<std::uint64_t>(written);
  }
}
}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)), temporary_(path_.string() + ".XXXXXX") {
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

void AtomicFile::write(std::span<const std::byte> bytes) {
  write_all(file_, bytes, position_, path_);
  position_ += bytes.size();
}

void AtomicFile::write_at(std::uint64_t position, std::span<const std::byte> bytes) {
  write_all(file_, bytes, position, path_);
}

void AtomicFile::commit() {
  if (::fsync(file_) != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0)
    throw Error(Code::io, std::strerror(errno), path_.string(), "nothing was changed");
  ::close(file_);
  file_ = -1;
}

}  // namespace hearth
