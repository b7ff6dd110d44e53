// The table of tokens of a model file: texts, scores and kinds, and the way from a text to its token. For this room
// only.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "gguf/metadata.h"
#include "text/tokenizer.h"

namespace hearth::text {

// Mixes the bytes of a short string.
std::uint64_t hash(std::string_view text) noexcept;

// Tables of a large vocabulary are larger than a cache. Who looks up so many things together, after fetching all that
// they will read, waits for memory once.
constexpr std::size_t fetched_at_once = 32;

class Vocabulary {
 public:
  // Reads tokenizer.ggml.tokens, scores and token_type. Throws not_found, or bad_input naming file, key and entry:
  // tables shorter than that of tokens, scores that are no numbers, a text that two tokens share.
  explicit Vocabulary(const gguf::Metadata& metadata);

  std::size_t size() const noexcept { return kinds_.size(); }
  bool contains(Token token) const noexcept { return token >= 0 && static_cast<std::size_t>(token) < size(); }
  std::string_view text(Token token) const noexcept {
    return std::string_view(texts_).substr(ends_[std::size_t(token)],
                                           ends_[std::size_t(token) + 1] - ends_[std::size_t(token)]);
  }
  TokenKind kind(Token token) const noexcept { return kinds_[std::size_t(token)]; }
  void set_kind(Token token, TokenKind kind) noexcept { kinds_[std::size_t(token)] = kind; }
  float score(Token token) const noexcept { return scores_.empty() ? 0.0f : scores_[std::size_t(token)]; }
  bool has_scores() const noexcept { return !scores_.empty(); }
  std::size_t longest() const noexcept { return longest_; }  // bytes of the longest text

  Token find(std::string_view text) const noexcept { return find(text, hash(text)); }
  // Of many texts, together.
  void find(std::span<const std::string_view> texts, Token* tokens) const;
  // The token that stands for one byte, "<0x0A>", whatever its kind; or no_token.
  Token find_byte(unsigned char byte) const noexcept;

 private:
  void index(const std::string& origin);
  Token find(std::string_view text, std::uint64_t code) const noexcept;

  std::string texts_;
  std::vector<std::uint32_t> ends_;  // text i is [ends_[i], ends_[i + 1])
  std::vector<TokenKind> kinds_;
  std::vector<float> scores_;
  std::size_t longest_ = 0;

  struct Slot {
    std::uint32_t tag;
    Token token;
  };
  const Slot& first_slot(std::uint64_t code) const noexcept { return slots_[code & (slots_.size() - 1)]; }

  std::vector<Slot> slots_;  // open addressing, at most half full
};

}  // namespace hearth::text
