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
        space_prefix_(read_space_prefix(metadata, false)),
        merge_spaces_(metadata.boolean("tokenizer.ggml.remove_extra_whitespaces", false)),
        keeps_outer_spaces_(metadata.boolean(keeps_outer_spaces_key, false)),
        charsmap_(metadata) {
    std::vector<std::pair<std::string_view, Token>> texts;
    float least = std::numeric_limits<float>::max();
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < vocabulary().size(); ++i) {
      const TokenKind kind = vocabulary().kind(Token(i));
      if (kind == TokenKind::normal) least = std::min(least, vocabulary().score(Token(i)));
      if (kind == TokenKind::normal || kind == TokenKind::user_defined || kind == TokenKind::unused)
        texts.emplace_back(vocabulary().text(Token(i)), Token(i));
      bytes += kind == TokenKind::byte;
    }
    unknown_score_ = least - unknown_penalty;
    has_bytes_ = bytes == 256;
    trie_ = Trie(std::move(texts));
  }

 private:
  void encode(std::span<const Fragment> fragments, std::vector<Token>& tokens) const override {
    bool prefix = space_prefix_ != SpacePrefix::none;
    for (const Fragment& fragment : fragments) {
      if (fragment.token != no_token) {
        tokens.push_back(fragment.token);
        prefix = prefixes_after(space_prefix_, vocabulary().kind(fragment.token));
      } else {
        encode_text(normalise(fragment.text, prefix), tokens);
        prefix = false;
      }
    }
  }

  std::string normalise(std::string_view text, bool prefix) const {
    std::string result;
    result.reserve(text.size() * 3);
    bool after_space = false, blank = true;
    for (std::size_t at = 0; at < text.size();) {
      const auto [bytes, replacement] = normalised_at(text.substr(at));
      at += bytes;
      for (const char c : replacement) {
        if (c != ' ')
          result += c;
        else if (!merge_spaces_ || (!after_space && (keeps_outer_spaces_ || !result.empty())))
          result += space_mark;
        after_space = c == ' ';
        blank = blank && after_space;
      }
    }
    if (merge_spaces_ && !keeps_outer_spaces_ && after_space && !blank)
      result.resize(result.size() - space_mark.size());
    // The usual one stands before a word.
    if (prefix && !result.empty() && prefixes(space_prefix_, result) && !(blank && space_prefix_ == SpacePrefix::usual))
      result.insert(0, space_mark);
    return result;
  }

  // What the text begins with, and what stands for it: a replacement, or one character.
  Charsmap::Match normalised_at(std::string_view text) const {
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
  SpacePrefix space_prefix() const noexcept override { return space_prefix_; }

  static constexpr std::string_view space_mark = "▁";
  SpacePrefix space_prefix_;
  bool merge_spaces_, keeps_outer_spaces_;
  Charsmap charsmap_;
  Trie trie_;
  float unknown_score_ = 0;
  bool has_bytes_ = false;  // a token for each
};

}  // namespace

std::unique_ptr<const Tokenizer> load_unigram(const gguf::Metadata& metadata) {
  return std::make_unique<UnigramTokenizer>(metadata);
}

}  // namespace hearth::text
