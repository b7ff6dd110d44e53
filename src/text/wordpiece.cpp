// WordPiece, BERT's: normalised words, each cut greedily into the longest tokens. Tokens that begin a word are written
// with "▁" before them, those that go on without. [arXiv 1810.04805]
#include <span>

#include "text/tokenizer_base.h"
#include "text/trie.h"
#include "text/unicode.h"

namespace hearth::text {

namespace {

constexpr std::string_view word_mark = "▁";
constexpr std::uint32_t word_mark_code = 0x2581, capital_dotted_i = 0x130, dot_above = 0x307;

bool is_chinese(std::uint32_t code) {
  return (code >= 0x4e00 && code <= 0x9fff) || (code >= 0x3400 && code <= 0x4dbf) ||
         (code >= 0x20000 && code <= 0x2a6df) || (code >= 0x2a700 && code <= 0x2b81f) ||
         (code >= 0x2b920 && code <= 0x2ceaf) || (code >= 0xf900 && code <= 0xfaff) ||
         (code >= 0x2f800 && code <= 0x2fa1f);
}

SpecialTokens defaults(const gguf::Metadata& metadata) {
  SpecialTokens special;
  special.bos = 101;
  special.unknown = 100;
  special.separator = 102;
  special.add_bos = true;
  special.add_separator = metadata.boolean(add_separator_key, true);
  return special;
}

class WordPieceTokenizer final : public TokenizerBase {
 public:
  explicit WordPieceTokenizer(const gguf::Metadata& metadata)
      : TokenizerBase(metadata, defaults(metadata)),
        lower_case_(metadata.boolean("tokenizer.ggml.normalizer.lowercase", true)),
        strip_accents_(metadata.boolean("tokenizer.ggml.normalizer.strip_accents", lower_case_)),
        cleans_(metadata.boolean(cleans_key, true)),
        strips_all_marks_(metadata.boolean(strips_all_marks_key, false)),
        parts_chinese_(metadata.boolean(parts_chinese_key, true)) {
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
    Word word;
    for (std::size_t at = 0; at < text.size();) {
      const auto [code, bytes] = character_at(text, at);
      at += bytes;
      const bool blank = code == '\t' || code == '\n' || code == '\r';  // other control characters part no words
      if (cleans_ && (code == 0 || code == replacement_character || (!blank && table(code) & control))) continue;
      std::uint32_t bases[most_bases] = {code};
      const std::size_t count = strip_accents_ ? without_accents(code, bases) : 1;
      for (const std::uint32_t base : std::span(bases).first(count)) encode_character(base, table(base), word, tokens);
    }
    finish(word, tokens);
  }

  struct Word {
    std::string text;
    std::size_t characters = 0;
  };

  void encode_character(std::uint32_t code, Classes classes, Word& word, std::vector<Token>& tokens) const {
    if (classes & space) return finish(word, tokens);
    if (strips_all_marks_ && (classes & mark)) return;
    const bool alone =
        (classes & punctuation) || (code < 0x7f && (classes & symbol)) || (parts_chinese_ && is_chinese(code));
    if (alone) finish(word, tokens);
    if (word.text.empty()) word.text = word_mark;
    if (code == word_mark_code) code = replacement_character;  // a "▁" of the text begins no word, and is no token
    append_utf8(word.text, lower_case_ ? hearth::text::lower_case(code) : code);
    ++word.characters;
    if (lower_case_ && code == capital_dotted_i) {  // the only one that becomes two
      append_utf8(word.text, dot_above);
      ++word.characters;
    }
    if (alone) finish(word, tokens);
  }

  // Greedily the longest token from each place; a word with a place where none begins is unknown as a whole.
  void finish(Word& word, std::vector<Token>& tokens) const {
    constexpr std::size_t longest_word = 100;  // BERT's
    const std::string_view text = word.text;
    const std::size_t first = tokens.size();
    for (std::size_t at = 0; at < text.size() && word.characters <= longest_word;) {
      Token longest = no_token;
      std::size_t end = at;
      Trie::Node node = Trie::root;
      for (std::size_t i = at; i < text.size(); ++i) {
        node = trie_.child(node, text[i]);
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
    if (!text.empty() && tokens.size() == first && special().unknown != no_token) tokens.push_back(special().unknown);
    word.text.clear();
    word.characters = 0;
  }

  std::string plain_piece(std::string_view text) const override { return unescape_spaces(text); }
  SpacePrefix space_prefix() const noexcept override { return SpacePrefix::usual; }

  bool lower_case_, strip_accents_, cleans_, strips_all_marks_, parts_chinese_;
  Trie trie_;
};

}  // namespace

std::unique_ptr<const Tokenizer> load_wordpiece(const gguf::Metadata& metadata) {
  return std::make_unique<WordPieceTokenizer>(metadata);
}

}  // namespace hearth::text
