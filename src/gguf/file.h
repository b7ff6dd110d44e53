// A GGUF model file, v2 or v3, mapped and not copied; a split file's parts are opened together.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "gguf/metadata.h"
#include "tensor/view.h"

namespace hearth::gguf {

struct Tensor {
  std::string name;
  tensor::Type type;
  std::vector<std::uint64_t> shape;  // GGUF's order: shape[0] is contiguous. 1 to 4 dimensions, each at least 1
  std::span<const std::byte> data;   // checked to lie in the file and to be as long as type and shape say

  std::uint64_t elements() const;
  // [rows, columns] with columns = shape[0] and all other dimensions folded into rows.
  tensor::Matrix matrix() const;
  // Slice `index` of the last dimension of a three-dimensional tensor (one expert).
  tensor::Matrix matrix(std::uint64_t index) const;
};

class File {
 public:
  // Opens `path`; where it is the first part of a split file (NAME-00001-of-00003.gguf, split.count in its metadata),
  // opens the other parts beside it. Every length, offset, count, name and type is checked before use; throws bad_input
  // or unsupported naming the file, the key or tensor, and the fault; not_found where the file or a part is missing.
  static File open(const std::filesystem::path& path);

  const Metadata& metadata() const noexcept { return metadata_; }
  // What a file with all the tensors in it says: without the keys that tell of parts.
  Metadata whole_metadata() const;
  std::span<const Tensor> tensors() const noexcept { return tensors_; }  // in the order of the file
  const Tensor* find(std::string_view name) const;
  std::uint64_t bytes() const noexcept { return bytes_; }  // of all parts
  std::uint32_t version() const noexcept { return version_; }
  std::uint64_t alignment() const noexcept { return alignment_; }
  std::size_t parts() const noexcept { return parts_; }
  const std::filesystem::path& path() const noexcept { return path_; }
  std::vector<std::filesystem::path> paths() const;  // of all parts, in their order
  void read_ahead() const noexcept;
  // Where the tensor's data begin in its part.
  std::uint64_t position(const Tensor& tensor) const noexcept;
  // Lets the system take back the memory of a tensor that has been read.
  void release(const Tensor& tensor) const noexcept;

  // Parses one part from memory (the fuzz target's door). The result borrows `bytes`.
  static File parse(std::span<const std::byte> bytes, const std::string& name);

 private:
  void add_part(File part);
  void index();

  std::filesystem::path path_;
  std::vector<MappedFile> files_;
  Metadata metadata_;
  std::vector<Tensor> tensors_;
  std::vector<std::uint32_t> by_name_;  // indices of tensors_, sorted by name
  std::uint64_t bytes_ = 0;
  std::size_t parts_ = 1;
  std::uint32_t version_ = 3;
  std::uint64_t alignment_ = 32;
};

}  // namespace hearth::gguf
