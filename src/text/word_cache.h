// Words that have been encoded already, within one call: most words of a text come again. For this room only.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "text/vocabulary.h"

namespace hearth::text {

class WordCache {
 public:
  // For a text of so many bytes; the memory is bounded.
  explicit WordCache(std::size_t bytes)
      : slots_(bytes < 256 ? 0 : std::bit_ceil(std::clamp<std::size_t>(bytes / 16, 64, 1u << 16))) {}

  // Appends the tokens of `word`: those of last time, or what `encode(tokens)` appends.
  template <class Encode>
  void append(std::string_view word, std::vector<Token>& tokens, const Encode& encode) {
    if (slots_.empty() || word.size() > longest_word) return encode(tokens);
    const std::uint64_t code = hash(word);
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = code & mask;
    for (; slots_[at].word != 0; at = (at + 1) & mask) {
      const Slot& slot = slots_[at];
      if (slot.tag == std::uint32_t(code >> 32) && slot.bytes == word.size() &&
          word == std::string_view(words_.data() + slot.word - 1, slot.bytes)) {
        tokens.insert(tokens.end(), known_.begin() + slot.first, known_.begin() + slot.first + slot.count);
        return;
      }
    }
    const std::size_t first = tokens.size();
    encode(tokens);
    if (used_ >= slots_.size() / 2) return;
    ++used_;
    slots_[at] = {std::uint32_t(code >> 32), static_cast<std::uint32_t>(words_.size() + 1),
                  static_cast<std::uint32_t>(known_.size()), static_cast<std::uint8_t>(word.size()),
                  static_cast<std::uint8_t>(tokens.size() - first)};
    words_.insert(words_.end(), word.begin(), word.end());
    known_.insert(known_.end(), tokens.begin() + std::ptrdiff_t(first), tokens.end());
  }

 private:
  static constexpr std::size_t longest_word = 48;
  struct Slot {
    std::uint32_t tag = 0;
    std::uint32_t word = 0;   // where it stands in words_, plus one; 0: the slot is free
    std::uint32_t first = 0;  // of its tokens in known_
    std::uint8_t bytes = 0, count = 0;
  };
  std::vector<Slot> slots_;
  std::vector<char> words_;
  std::vector<Token> known_;
  std::size_t used_ = 0;
};

}  // namespace hearth::text
