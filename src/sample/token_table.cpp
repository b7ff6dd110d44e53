#include "sample/token_table.h"

#include <algorithm>

namespace hearth::sample {

namespace {

std::vector<std::string> texts_of(const text::Tokenizer& tokenizer) {
  std::vector<std::string> texts(tokenizer.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const text::TokenKind kind = tokenizer.kind(Token(i));
    const bool writes =
        kind == text::TokenKind::normal || kind == text::TokenKind::user_defined || kind == text::TokenKind::byte;
    if (writes && !tokenizer.ends_generation(Token(i))) texts[i] = tokenizer.piece(Token(i));
  }
  return texts;
}

std::vector<Token> endings_of(const text::Tokenizer& tokenizer) {
  std::vector<Token> endings;
  for (std::size_t i = 0; i < tokenizer.size(); ++i)
    if (tokenizer.ends_generation(Token(i))) endings.push_back(Token(i));
  return endings;
}

}  // namespace

TokenTable::TokenTable(const text::Tokenizer& tokenizer) : TokenTable(texts_of(tokenizer), endings_of(tokenizer)) {}

TokenTable::TokenTable(const std::vector<std::string>& texts, std::vector<Token> endings)
    : endings_(std::move(endings)) {
  std::erase_if(endings_, [&](Token token) { return token < 0 || std::size_t(token) >= texts.size(); });
  std::sort(endings_.begin(), endings_.end());
  starts_.push_back(0);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    bytes_ += texts[i];
    starts_.push_back(bytes_.size());
    longest_ = std::max(longest_, texts[i].size());
    if (!texts[i].empty() && !ends(Token(i))) trie_tokens_.push_back(Token(i));
  }
  std::sort(trie_tokens_.begin(), trie_tokens_.end(), [&](Token a, Token b) {
    const auto order = text(a).compare(text(b));
    return order < 0 || (order == 0 && a < b);
  });
  // In this order each token adds the nodes of what it does not share with the one before.
  std::vector<std::uint32_t> path;  // the nodes of the last token
  const auto close = [&](std::size_t depth) {
    for (; path.size() > depth; path.pop_back()) trie_[path.back()].next = std::uint32_t(trie_.size());
  };
  for (std::size_t i = 0; i < trie_tokens_.size(); ++i) {
    const std::string_view token = text(trie_tokens_[i]);
    std::size_t shared = 0;
    while (shared < path.size() && shared < token.size() && trie_[path[shared]].byte == std::uint8_t(token[shared]))
      ++shared;
    close(shared);
    for (std::size_t depth = shared; depth < token.size(); ++depth) {
      path.push_back(std::uint32_t(trie_.size()));
      trie_.push_back({.next = 0,
                       .depth = std::uint32_t(depth),
                       .first_token = std::uint32_t(i),
                       .last_token = std::uint32_t(i),
                       .byte = std::uint8_t(token[depth])});
    }
    trie_[path.back()].last_token = std::uint32_t(i + 1);
  }
  close(0);
}

bool TokenTable::ends(Token token) const noexcept {
  return std::binary_search(endings_.begin(), endings_.end(), token);
}

}  // namespace hearth::sample
