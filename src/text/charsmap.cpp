#include "text/charsmap.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace hearth::text {

namespace {
constexpr std::size_t longest_key = 256;  // far beyond what there is: a broken table may go round in circles
}

Charsmap::Charsmap(const gguf::Metadata& metadata) {
  constexpr std::string_view key = "tokenizer.ggml.precompiled_charsmap";
  std::string bytes;
  for (const std::int64_t byte : metadata.integers(key)) {
    if (byte < -128 || byte > 255)
      throw Error(Code::bad_input, fmt::format("{} holds {}, which is no byte", key, byte), metadata.origin());
    bytes += static_cast<char>(static_cast<unsigned char>(byte));
  }
  if (bytes.empty()) return;
  const auto fail = [&](std::string_view fault) {
    throw Error(Code::bad_input, fmt::format("{} is malformed: {}", key, fault), metadata.origin());
  };
  const auto word = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value |= std::uint32_t(static_cast<unsigned char>(bytes[at + i])) << 8 * i;
    return value;
  };
  if (bytes.size() < 4) fail("it is shorter than its header");
  const std::size_t length = word(0);
  if (length % 4 != 0 || length == 0) fail("its table is no whole number of entries");
  if (length >= bytes.size() - 4) fail("its table is longer than the whole");
  if (bytes.back() != '\0') fail("the last replacement has no end");
  for (std::size_t at = 4; at < 4 + length; at += 4) nodes_.push_back(word(at));
  replacements_ = bytes.substr(4 + length);
  if (!is_complete()) fail("a key has no replacement");
}

// Every key that can be reached has a replacement.
bool Charsmap::is_complete() const {
  std::vector<bool> reached(nodes_.size());
  std::vector<std::uint32_t> open = {base(nodes_[0])};  // where the children of a reached node stand
  while (!open.empty()) {
    const std::uint32_t children = open.back();
    open.pop_back();
    for (std::uint32_t byte = 1; byte < 256; ++byte) {
      const std::uint32_t child = children ^ byte;
      if (child >= nodes_.size() || label(nodes_[child]) != byte) continue;
      if (reached[child]) continue;  // keys share their endings
      reached[child] = true;
      const std::uint32_t below = child ^ base(nodes_[child]);
      if (has_leaf(nodes_[child]) && (below >= nodes_.size() || (nodes_[below] & ~(1u << 31)) >= replacements_.size()))
        return false;
      open.push_back(below);
    }
  }
  return true;
}

Charsmap::Match Charsmap::match(std::string_view text) const noexcept {
  Match match;
  if (nodes_.empty()) return match;
  std::uint32_t node = base(nodes_[0]);
  for (std::size_t i = 0; i < std::min(text.size(), longest_key); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    node ^= byte;
    if (byte == 0 || node >= nodes_.size() || label(nodes_[node]) != byte) break;
    const bool leaf = has_leaf(nodes_[node]);
    node ^= base(nodes_[node]);
    if (leaf) match = {i + 1, std::string_view(replacements_.data() + (nodes_[node] & ~(1u << 31)))};
  }
  return match;
}

}  // namespace hearth::text
