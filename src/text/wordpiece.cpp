// WordPiece, BERT's: normalised words, each cut greedily into the longest tokens. Tokens that begin a word are written
// with "▁" before them, those that go on without. [arXiv 1810.04805]
#include "text/tokenizer_base.h"
#include "text/trie.h"
#include "text/unicode.h"

namespace hearth::text {

namespace {

constexpr std::string_view word_mark = "▁";

bool is_chinese(std::uint32_t code) {
  return (code >= 0x4e00 && code <= 0x9fff) || (code >= 0x3400 && code <= 0x4dbf) ||
         (code >= 0x20000 && code <= 0x2a6df) || (code >= 0x2a700 && code <= 0x2b81f) ||
         (code >= 0x2b920 && code <= 0x2ceaf) || (code >= 0xf900 && code <= 0xfaff) ||
         (code >= 0x2f800 && code <= 0x2fa1f);
}

SpecialTokens defaults() {
  SpecialTokens special;
  special.bos = 101;
  special.unknown = 100;
  special.separator = 102;
  special.add_bos = special.add_separator = true;
  return special;
}

class WordPieceTokenizer final : public TokenizerBase {
 public:
  explicit WordPieceTokenizer(const gguf::Metadata& metadata)
      : TokenizerBase(metadata, defaults()),
        lower_case_(metadata.boolean("tokenizer.ggml.normalizer.lowercase", true)),
        strip_accents_(metadata.boolean("tokenizer.ggml.normalizer.strip_accents", lower_case_)) {
    std::vector<std::pair<std::string_view, Token>> texts;
    for (std::size_t i = 0; i < vocabulary().size(); ++i) texts.emplace_back(vocabulary().text(Token(i)), Token(i));
    trie_ = Trie(std::move(texts));
  }

 private:
  void encode(std::span<const Fragment> fragments, std::vector<Token>& tokens) const override {
    for (const Fragment& fragment : fragments)
      if (fragment.token != no_token)
        tokens.push_back(fragment.token);
      else
        encode_text(fragment.text, tokens);
  }

  void encode_text(std::string_view text, std::vector<Token>& tokens) const {
    const ClassTable& table = ClassTable::get();
    std::string word;
    const auto finish_word = [&] {
      if (!word.empty()) encode_word(word, tokens);
      word.clear();
    };
    for (std::size_t at = 0; at < text.size();) {
      const Character character = character_at(text, at);
      at += character.bytes;
      const std::uint32_t code = strip_accents_ ? base_character(character.code) : character.code;
      const Classes classes = table(code);
      if (classes & space) {
        finish_word();
        continue;
      }
      if (code == 0 || code == replacement_character || (classes & control) || (strip_accents_ && (classes & mark)))
        continue;
      const bool alone = (classes & punctuation) || (code < 0x7f && (classes & symbol)) || is_chinese(code);
      if (alone) finish_word();
      if (word.empty()) word = word_mark;
      append_utf8(word, lower_case_ ? hearth::text::lower_case(code) : code);
      if (alone) finish_word();
    }
    finish_word();
  }

  // Greedily the longest token from each place; a word with a place where none begins is unknown as a whole.
  void encode_word(std::string_view word, std::vector<Token>& tokens) const {
    const std::size_t first = tokens.size();
    for (std::size_t at = 0; at < word.size();) {
      Token longest = no_token;
      std::size_t end = at;
      Trie::Node node = Trie::root;
      for (std::size_t i = at; i < word.size(); ++i) {
        node = trie_.child(node, word[i]);
        if (node == Trie::none) break;
        if (trie_.token(node) == no_token) continue;
        longest = trie_.token(node);
        end = i + 1;
      }
      if (longest == no_token) {
        tokens.resize(first);
        break;
      }
      tokens.push_back(longest);
      at = end;
    }
    if (tokens.size() == first && special().unknown != no_token) tokens.push_back(special().unknown);
  }

  std::string plain_piece(std::string_view text) const override { return unescape_spaces(text); }
  bool prefixes_space() const noexcept override { return true; }

  bool lower_case_, strip_accents_;
  Trie trie_;
};

}  // namespace

std::unique_ptr<const Tokenizer> load_wordpiece(const gguf::Metadata& metadata) {
  return std::make_unique<WordPieceTokenizer>(metadata);
}

}  // namespace hearth::text
