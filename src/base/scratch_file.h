// A file that goes with its owner, unless it was given another name.
#pragma once

#include <filesystem>

namespace hearth {

class ScratchFile {
 public:
  explicit ScratchFile(std::filesystem::path path) : path_(std::move(path)) {}  // made by whoever writes it
  ~ScratchFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  void keep_as(const std::filesystem::path& name) { std::filesystem::rename(path_, name); }

 private:
  std::filesystem::path path_;
};

}  // namespace hearth
