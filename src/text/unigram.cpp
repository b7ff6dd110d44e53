// SentencePiece's unigram model: of all ways to cut a text into tokens, the likeliest. [arXiv 1804.10959]
#include <algorithm>
#include <limits>

#include "text/charsmap.h"
#include "text/tokenizer_base.h"
#include "text/trie.h"
#include "text/unicode.h"

namespace hearth::text {

namespace {

constexpr float unknown_penalty = 10;  // below the least likely token

SpecialTokens defaults() {
  SpecialTokens special;
  special.eos = 1;
  special.unknown = 2;
  special.add_eos = true;
  return special;
}

class UnigramTokenizer final : public TokenizerBase {
 public:
  explicit UnigramTokenizer(const gguf::Metadata& metadata)
      : TokenizerBase(metadata, defaults()),
        add_space_prefix_(metadata.boolean("tokenizer.ggml.add_space_prefix", false)),
        merge_spaces_(metadata.boolean("tokenizer.ggml.remove_extra_whitespaces", false)),
        charsmap_(metadata) {
    std::vector<std::pair<std::string_view, Token>> texts, user_defined;
    float least = std::numeric_limits<float>::max();
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < vocabulary().size(); ++i) {
      const TokenKind kind = vocabulary().kind(Token(i));
      const std::pair<std::string_view, Token> entry(vocabulary().text(Token(i)), Token(i));
      if (kind == TokenKind::normal) least = std::min(least, vocabulary().score(Token(i)));
      if (kind == TokenKind::normal || kind == TokenKind::user_defined || kind == TokenKind::unused)
        texts.push_back(entry);
      if (kind == TokenKind::user_defined) user_defined.push_back(entry);
      bytes += kind == TokenKind::byte;
    }
    unknown_score_ = least - unknown_penalty;
    has_bytes_ = bytes == 256;
    trie_ = Trie(std::move(texts));
    user_defined_ = Trie(std::move(user_defined));
  }

 private:
  void encode(std::span<const Fragment> fragments, std::vector<Token>& tokens) const override {
    for (const Fragment& fragment : fragments)
      if (fragment.token != no_token)
        tokens.push_back(fragment.token);
      else
        encode_text(normalise(fragment.text), tokens);
  }

  std::string normalise(std::string_view text) const {
    std::string result;
    result.reserve(text.size() * 3);
    bool prefixed = false, in_word = false;
    for (std::size_t at = 0; at < text.size();) {
      const auto [bytes, replacement] = normalised_at(text.substr(at));
      at += bytes;
      for (const char c : replacement) {
        if (c == ' ') {
          in_word = false;
          if (!merge_spaces_) result += space_mark;
          continue;
        }
        const bool first = result.empty();  // what merging drops before it parts it from nothing
        if (!in_word && ((add_space_prefix_ && !prefixed) || (merge_spaces_ && !first))) {
          result += space_mark;
          prefixed = true;
        }
        in_word = true;
        result += c;
      }
    }
    return result;
  }

  // What the text begins with, and what stands for it: a user-defined token as it is, a replacement, one character.
  Charsmap::Match normalised_at(std::string_view text) const {
    std::size_t length = 0;
    Trie::Node node = Trie::root;
    for (std::size_t i = 0; i < text.size(); ++i) {
      node = user_defined_.child(node, text[i]);
      if (node == Trie::none) break;
      length = i + 1;
    }
    if (length > 0) return {length, text.substr(0, length)};
    if (const Charsmap::Match match = charsmap_.match(text); match.bytes > 0) return match;
    const Character character = character_at(text, 0);
    if (character.code == replacement_character) return {character.bytes, "\xef\xbf\xbd"};
    return {character.bytes, text.substr(0, character.bytes)};
  }

  void encode_text(const std::string& text, std::vector<Token>& tokens) const {
    if (text.empty()) return;
    struct Best {
      double score = -std::numeric_limits<double>::max();
      std::uint32_t begin = 0;
      Token token = no_token;
    };
    std::vector<Best> best(text.size() + 1);  // of the text up to there
    best[0].score = 0;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t whole = at + character_at(text, at).bytes;
      bool known = false;
      const auto offer = [&](std::size_t end, Token token, double score) {
        if (best[at].score + score > best[end].score)
          best[end] = {best[at].score + score, static_cast<std::uint32_t>(at), token};
      };
      Trie::Node node = Trie::root;
      for (std::size_t i = at; i < text.size(); ++i) {
        node = trie_.child(node, text[i]);
        if (node == Trie::none) break;
        const Token token = trie_.token(node);
        if (token == no_token) continue;
        known = known || i + 1 == whole;
        offer(i + 1, token, vocabulary().kind(token) == TokenKind::user_defined ? 0 : vocabulary().score(token));
      }
      if (!known) offer(whole, special().unknown, unknown_score_);
      at = whole;
    }
    // Back from the end; unknown characters are written byte by byte, or beside each other are one unknown token.
    const std::size_t first = tokens.size();
    bool after_unknown = false;
    for (std::size_t end = text.size(); end > 0; end = best[end].begin) {
      const Token token = best[end].token;
      const bool unknown = token == special().unknown;
      if (unknown && has_bytes_)
        for (std::size_t i = end; i-- > best[end].begin;)
          tokens.push_back(vocabulary().find_byte(static_cast<unsigned char>(text[i])));
      else if (!(unknown && after_unknown) && token != no_token)
        tokens.push_back(token);
      after_unknown = unknown;
    }
    std::reverse(tokens.begin() + std::ptrdiff_t(first), tokens.end());
  }

  std::string plain_piece(std::string_view text) const override { return unescape_spaces(text); }
  bool prefixes_space() const noexcept override { return add_space_prefix_; }

  static constexpr std::string_view space_mark = "▁";
  bool add_space_prefix_, merge_spaces_;
  Charsmap charsmap_;
  Trie trie_, user_defined_;
  float unknown_score_ = 0;
  bool has_bytes_ = false;  // a token for each
};

}  // namespace

std::unique_ptr<const Tokenizer> load_unigram(const gguf::Metadata& metadata) {
  return std::make_unique<UnigramTokenizer>(metadata);
}

}  // namespace hearth::text
