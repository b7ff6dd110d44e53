// SentencePiece's precompiled normalisation: pieces of text and what replaces them. For this room only.
// [sentencepiece: a Darts double array of keys, then their replacements, each ended by a zero byte]
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/metadata.h"

namespace hearth::text {

class Charsmap {
 public:
  // Reads tokenizer.ggml.precompiled_charsmap; nothing is replaced where it is absent. Throws bad_input where it is not
  // a table of keys, each with its replacement.
  explicit Charsmap(const gguf::Metadata& metadata);

  struct Match {
    std::size_t bytes = 0;  // of the text; 0: nothing to replace here
    std::string_view replacement;
  };
  // The longest key that the text begins with.
  Match match(std::string_view text) const noexcept;

 private:
  static std::uint32_t base(std::uint32_t node) noexcept { return node >> 10 << ((node & 1u << 9) >> 6); }
  static std::uint32_t label(std::uint32_t node) noexcept { return node & (1u << 31 | 0xff); }
  static bool has_leaf(std::uint32_t node) noexcept { return (node >> 8 & 1) != 0; }
  bool is_complete() const;

  std::vector<std::uint32_t> nodes_;
  std::string replacements_;
};

}  // namespace hearth::text
