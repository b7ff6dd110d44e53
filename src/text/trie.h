// Texts by their prefixes: which of them begin here? For this room only.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/types.h"

namespace hearth::text {

class Trie {
 public:
  using Node = std::uint32_t;
  static constexpr Node root = 0, none = 0;  // the root is nobody's child

  Trie() : Trie(std::vector<std::pair<std::string_view, Token>>{}) {}
  // Texts are distinct and not empty.
  explicit Trie(std::vector<std::pair<std::string_view, Token>> texts);

  Node child(Node node, char byte) const noexcept;
  Token token(Node node) const noexcept { return nodes_[node].token; }  // of the text that ends here, or no_token
  bool empty() const noexcept { return nodes_.size() == 1; }

 private:
  struct Entry {
    std::uint32_t children;  // the first of them; they stand together, by byte
    std::uint16_t count;
    unsigned char byte;
    Token token;
  };
  std::vector<Entry> nodes_;
  Node first_[256] = {};  // the root's children
};

}  // namespace hearth::text
