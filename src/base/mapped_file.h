// A file mapped into memory for reading; nothing is copied.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace hearth {

class MappedFile {
 public:
  // Throws not_found, io, or bad_input for an empty file or a folder.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  std::string_view text() const noexcept { return {reinterpret_cast<const char*>(data_), size_}; }
  const std::filesystem::path& path() const noexcept { return path_; }

  // Asks the system to read the whole file ahead, without waiting for it.
  void read_ahead() const noexcept;

  // Lets the system take back the memory of `part`; it is read again where it is touched again. A part of another file
  // is left alone.
  void release(std::span<const std::byte> part) const noexcept;

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace hearth
