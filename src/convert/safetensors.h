// Weights of a checkpoint in safetensors files, mapped and not copied; every length, offset and shape is checked.
// [https://github.com/huggingface/safetensors#format]
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"

namespace hearth::convert {

enum class Dtype { f64, f32, f16, bf16, i64, i32, i16, i8, u8, boolean };

std::size_t bytes(Dtype dtype);
std::string_view name(Dtype dtype);  // as the header writes it: "BF16"
bool is_float(Dtype dtype);
// Converts out.size() numbers of any float type; bytes(dtype) * out.size() of `data` are read, at any alignment.
void to_float(Dtype dtype, std::span<const std::byte> data, std::span<float> out);

struct SourceTensor {
  std::string name;
  Dtype dtype;
  std::vector<std::uint64_t> shape;  // outermost first; empty for a scalar; a dimension may be 0
  std::span<const std::byte> data;

  std::uint64_t elements() const { return data.size() / bytes(dtype); }
};

// The tensors of one file, in the order of their data. Borrows `bytes`. Throws bad_input, or unsupported for a type not
// listed above, naming file and tensor.
std::vector<SourceTensor> parse_safetensors(std::span<const std::byte> bytes, const std::string& name);

class Safetensors {
 public:
  // `folder` holds model.safetensors, or model.safetensors.index.json and the shards it names. Throws not_found naming
  // what is missing; bad_input where the index and the shards disagree.
  static Safetensors open(const std::filesystem::path& folder);
  static Safetensors open_file(const std::filesystem::path& path);

  const SourceTensor* find(std::string_view name) const;
  const std::map<std::string, SourceTensor, std::less<>>& tensors() const noexcept { return tensors_; }  // by name
  const std::string& origin() const noexcept { return origin_; }

  // Lets the system take back the memory of a tensor that has been read.
  void release(const SourceTensor& tensor) const noexcept;

 private:
  void add(const std::filesystem::path& path);

  std::string origin_;
  std::vector<MappedFile> files_;
  std::map<std::string, SourceTensor, std::less<>> tensors_;
};

}  // namespace hearth::convert
