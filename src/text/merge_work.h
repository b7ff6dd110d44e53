// Merging from word to word: characters to symbols, and symbols to tokens. For this room only.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "text/merge.h"
#include "text/vocabulary.h"
// Last: the other headers have variables by its names.
#include "text/unicode.h"

namespace hearth::text {

struct MergeWork {
  std::vector<Symbol> symbols;
  Merger merger;

  // A symbol a character.
  void begin(std::string_view word, const Vocabulary& vocabulary) {
    symbols.clear();
    for (std::uint32_t i = 0; i < word.size();) {
      const std::uint32_t end = i + character_at(word, i).bytes;
      symbols.push_back({i, end, vocabulary.find(word.substr(i, end - i))});
      i = end;
    }
  }

  // What is no token goes byte by byte, as far as the vocabulary has these.
  void append_tokens(std::string_view word, const std::array<Token, 256>& bytes, std::vector<Token>& tokens) const {
    for (const Symbol& one : symbols) {
      if (one.token != no_token) {
        tokens.push_back(one.token);
        continue;
      }
      for (std::uint32_t i = one.begin; i < one.end; ++i)
        if (const Token byte = bytes[static_cast<unsigned char>(word[i])]; byte != no_token) tokens.push_back(byte);
    }
  }
};

}  // namespace hearth::text
