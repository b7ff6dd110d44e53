// A GGUF file made field by field, so that a test can break any one of them.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/file.h"

namespace hearth::gguf::tests {

template <class T>
std::string number(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}
inline std::string u32(std::uint32_t value) {
  return number(value);
}
inline std::string u64(std::uint64_t value) {
  return number(value);
}
inline std::string text(std::string_view value) {
  return u64(value.size()) + std::string(value);
}

struct Image {
  struct TensorEntry {
    std::string name;
    std::vector<std::uint64_t> shape;
    std::uint32_t type;
    std::uint64_t offset;
    std::string data;
  };

  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::vector<std::pair<std::string, std::string>> entries;  // key, then type and payload as bytes
  std::vector<TensorEntry> tensors;
  std::uint64_t entry_count = ~std::uint64_t{0}, tensor_count = ~std::uint64_t{0};  // all ones: as many as there are
  std::uint64_t alignment = 32;

  std::string bytes() const {
    const auto count = [](std::uint64_t said, std::size_t real) { return u64(~said == 0 ? real : said); };
    std::string out = magic + u32(version) + count(tensor_count, tensors.size()) + count(entry_count, entries.size());
    for (const auto& [key, value] : entries) out += text(key) + value;
    for (const TensorEntry& tensor : tensors) {
      out += text(tensor.name) + u32(static_cast<std::uint32_t>(tensor.shape.size()));
      for (const std::uint64_t size : tensor.shape) out += u64(size);
      out += u32(tensor.type) + u64(tensor.offset);
    }
    pad(out);
    for (const TensorEntry& tensor : tensors) {
      out += tensor.data;
      pad(out);
    }
    return out;
  }

  // A small file of a few keys and two tensors, without fault.
  static Image valid() {
    Image image;
    image.entries = {{"general.architecture", u32(8) + text("llama")},
                     {"llama.block_count", u32(4) + u32(2)},
                     {"tokenizer.ggml.tokens", u32(9) + u32(8) + u64(2) + text("a") + text("bc")},
                     {"nested", u32(9) + u32(9) + u64(1) + u32(0) + u64(2) + "xy"}};
    image.tensors = {{"output.weight", {4, 2}, 0, 0, std::string(32, 'f')},
                     {"blk.0.weight", {32, 3}, 8, 32, std::string(102, 'q')}};
    return image;
  }

 private:
  void pad(std::string& out) const { out.resize((out.size() + alignment - 1) / alignment * alignment); }
};

inline File parse(const std::string& bytes) {
  return File::parse(std::as_bytes(std::span(bytes)), "test.gguf");
}

}  // namespace hearth::gguf::tests
