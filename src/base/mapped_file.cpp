#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace hearth {

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe is refused, not waited for
  if (file < 0) {
    const bool missing = errno == ENOENT || errno == ENOTDIR;
    throw Error(missing ? Code::not_found : Code::io, missing ? "no such file" : std::strerror(errno), path.string());
  }
  struct stat status {};
  const bool known = ::fstat(file, &status) == 0;
  if (known && S_ISREG(status.st_mode) && status.st_size > 0) {
    void* data = ::mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ, MAP_SHARED, file, 0);
    if (data != MAP_FAILED) {
      ::madvise(data, static_cast<std::size_t>(status.st_size),
                MADV_HUGEPAGE);  // where the file system has large folios
      data_ = static_cast<const std::byte*>(data);
      size_ = static_cast<std::size_t>(status.st_size);
    }
  }
  const int fault = errno;
  ::close(file);
  if (data_) return;
  if (known && !S_ISREG(status.st_mode)) throw Error(Code::bad_input, "not a regular file", path.string());
  if (known && status.st_size == 0) throw Error(Code::bad_input, "the file is empty", path.string());
  throw Error(Code::io, std::strerror(fault), path.string());
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void MappedFile::read_ahead() const noexcept {
  ::madvise(const_cast<std::byte*>(data_), size_, MADV_WILLNEED);
}

void MappedFile::release(std::span<const std::byte> part) const noexcept {
  if (part.data() < data_ || part.data() + part.size() > data_ + size_) return;
  static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = static_cast<std::size_t>(part.data() - data_), end = begin + part.size();
  const std::size_t first = (begin + page - 1) / page * page;  // whole pages only: the rest is a neighbour's
  if (first < end) ::madvise(const_cast<std::byte*>(data_) + first, (end - first) / page * page, MADV_DONTNEED);
}

}  // namespace hearth
