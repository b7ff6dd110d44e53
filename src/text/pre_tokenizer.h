// Cuts a text into words before byte-pair merging, as the model's tokenizer.ggml.pre says. For this room only.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace hearth::text {

// Cuts each of the words that end at `ends` further; appends the ends of what comes out to `cut`.
using Pass = void (*)(std::string_view text, std::span<const std::uint32_t> ends, std::vector<std::uint32_t>& cut);

// One way of cutting, with what else the published tokenizers of this name have in common.
struct PreTokenizer {
  std::span<const std::string_view> names;
  std::span<const Pass> passes;
  bool whole_words = false;    // a word that is a token is that token, whatever the merges say
  bool adds_bos = false;       // where the metadata is silent
  bool escapes_space = false;  // works on characters, with "▁" for a space, and not on bytes
  bool has_default_bos = true;

  // The ends of the words of `text`, in order.
  void split(std::string_view text, std::vector<std::uint32_t>& ends) const;
};

// Null for an unknown name.
const PreTokenizer* find_pre_tokenizer(std::string_view name);
std::span<const PreTokenizer> pre_tokenizers() noexcept;

}  // namespace hearth::text
