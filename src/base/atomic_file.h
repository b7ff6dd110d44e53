// Writes a file whole or not at all: a temporary file beside it, renamed at the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace hearth {

class AtomicFile {
 public:
  // Opens a temporary file in the folder of `path`. Throws io.
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();  // removes the temporary file unless commit was called
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  void write_at(std::uint64_t position, std::span<const std::byte> bytes);
  std::uint64_t position() const noexcept { return position_; }

  // Flushes to the disk and gives the file its name.
  void commit();

 private:
  std::filesystem::path path_;
  std::string temporary_;
  int file_ = -1;
  std::uint64_t position_ = 0;
};

}  // namespace hearth
