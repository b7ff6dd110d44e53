// What each token of a vocabulary writes, arranged so that a grammar finds all that may come next in one walk.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "text/tokenizer.h"

namespace hearth::sample {

// Immutable; one for each vocabulary, shared by all constraints.
class TokenTable {
 public:
  // Control, unknown and unused tokens write nothing; those after which an answer is over are `endings`.
  explicit TokenTable(const text::Tokenizer& tokenizer);
  // texts[token]: any bytes, parts of UTF-8 characters too; empty where a grammar may never take it.
  TokenTable(const std::vector<std::string>& texts, std::vector<Token> endings);

  std::size_t size() const noexcept { return starts_.size() - 1; }
  std::string_view text(Token token) const {
    return std::string_view(bytes_).substr(starts_[token], starts_[token + 1] - starts_[token]);
  }
  std::span<const Token> endings() const noexcept { return endings_; }
  bool ends(Token token) const noexcept;

  // The tokens as a trie over bytes, its nodes in preorder; the root, which is no token, is left out.
  struct Node {
    std::uint32_t next;                     // the first node that is not below this one
    std::uint32_t depth;                    // of the root's children: 0
    std::uint32_t first_token, last_token;  // tokens that end here: [first, last) of trie_tokens()
    std::uint8_t byte;
  };
  std::span<const Node> trie() const noexcept { return trie_; }
  std::span<const Token> trie_tokens() const noexcept { return trie_tokens_; }
  std::size_t longest() const noexcept { return longest_; }  // bytes of the longest token

 private:
  std::string bytes_;
  std::vector<std::size_t> starts_;  // of each token in bytes_, and the end
  std::vector<Token> endings_;
  std::vector<Node> trie_;
  std::vector<Token> trie_tokens_;
  std::size_t longest_ = 0;
};

}  // namespace hearth::sample
