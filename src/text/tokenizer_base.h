// What all tokenizers share: the vocabulary, its special tokens, and the way a text is cut at them. For this room only.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/metadata.h"
#include "text/partition.h"
#include "text/special_tokens.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

namespace hearth::text {

// Where a space is put before text. Usual in GGUF files: at the beginning and after special tokens, whatever is there.
// `missing`: the same where none is; `first`: at the beginning alone, where none is [transformers' Metaspace]. `whole`:
// as usual, with user-defined tokens as part of the text [SentencePiece itself].
enum class SpacePrefix { none, usual, missing, first, whole };
// Throws bad_input for what is none of them. `absent`: whether there is one where the metadata is silent.
SpacePrefix read_space_prefix(const gguf::Metadata& metadata, bool absent);
// Whether the text that follows this kind of token begins anew.
bool prefixes_after(SpacePrefix prefix, TokenKind kind) noexcept;
// Whether one is put before this text, where the place for it is.
bool prefixes(SpacePrefix prefix, std::string_view text) noexcept;

class TokenizerBase : public Tokenizer {
 public:
  TokenizerBase(const gguf::Metadata& metadata, const SpecialTokens& defaults);

  std::vector<Token> encode(std::string_view text, EncodeOptions options) const final;
  std::string piece(Token token, bool special) const final;
  std::string decode(std::span<const Token> tokens, bool special) const final;

  std::size_t size() const noexcept final { return vocabulary_.size(); }
  TokenKind kind(Token token) const final { return vocabulary_.kind(checked(token)); }
  Token find(std::string_view text) const final { return vocabulary_.find(text); }
  Token bos() const noexcept final { return special_.bos; }
  Token eos() const noexcept final { return special_.eos; }
  bool adds_bos() const noexcept final { return special_.add_bos; }
  bool ends_generation(Token token) const noexcept final { return special_.ends_generation(token); }

 protected:
  // Appends the tokens of all fragments.
  virtual void encode(std::span<const Fragment> fragments, std::vector<Token>& tokens) const = 0;
  // The bytes of a token of the kind `normal`.
  virtual std::string plain_piece(std::string_view text) const = 0;
  virtual SpacePrefix space_prefix() const noexcept { return SpacePrefix::none; }

  const Vocabulary& vocabulary() const noexcept { return vocabulary_; }
  const SpecialTokens& special() const noexcept { return special_; }

 private:
  Token checked(Token token) const;  // throws usage for what is no token

  Vocabulary vocabulary_;
  SpecialTokens special_;
  Partition partition_;
};

// Spaces become "▁", one before the text too where `prefix`; and "▁" becomes a space.
std::string escape_spaces(std::string_view text, bool prefix = false);
std::string unescape_spaces(std::string_view text);

std::unique_ptr<const Tokenizer> load_bpe(const gguf::Metadata& metadata);
std::unique_ptr<const Tokenizer> load_sentencepiece(const gguf::Metadata& metadata);
std::unique_ptr<const Tokenizer> load_wordpiece(const gguf::Metadata& metadata);
std::unique_ptr<const Tokenizer> load_unigram(const gguf::Metadata& metadata);

}  // namespace hearth::text
