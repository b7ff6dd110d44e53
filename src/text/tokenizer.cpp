#include "text/tokenizer.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>

#include "base/error.h"
#include "text/tokenizer_base.h"

namespace hearth::text {

namespace {

constexpr std::string_view space_mark = "▁";

// "<0x0A>"; or -1.
int byte_of(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
  int value = 0;
  const auto [end, error] = std::from_chars(text.data() + 3, text.data() + 5, value, 16);
  return error == std::errc() && end == text.data() + 5 && value >= 0 ? value : -1;
}

void check_byte_tokens(const gguf::Metadata& metadata, const Vocabulary& vocabulary) {
  for (std::size_t i = 0; i < vocabulary.size(); ++i)
    if (vocabulary.kind(Token(i)) == TokenKind::byte && byte_of(vocabulary.text(Token(i))) < 0)
      throw Error(Code::bad_input,
                  fmt::format("tokenizer.ggml.tokens[{}] is called a byte and not written as one, such as <0x0A>", i),
                  metadata.origin());
}

// The special tokens may change kinds, so the vocabulary must stand before.
SpecialTokens read(const gguf::Metadata& metadata, const SpecialTokens& defaults, Vocabulary& vocabulary) {
  check_byte_tokens(metadata, vocabulary);
  return read_special_tokens(metadata, defaults, vocabulary);
}

}  // namespace

bool Tokenizer::is_in(const gguf::Metadata& metadata) {
  const std::string model = metadata.string("tokenizer.ggml.model", "none");
  return model != "none" && model != "no_vocab";
}

std::unique_ptr<const Tokenizer> Tokenizer::load(const gguf::Metadata& metadata) {
  if (!is_in(metadata)) throw Error(Code::unsupported, "the model has no tokenizer", metadata.origin());
  const std::string& model = metadata.string("tokenizer.ggml.model");
  if (model == "gpt2" || model == "gemma4") return load_bpe(metadata);
  if (model == "llama") return load_sentencepiece(metadata);
  if (model == "bert") return load_wordpiece(metadata);
  if (model == "t5") return load_unigram(metadata);
  throw Error(Code::unsupported, fmt::format("tokenizer.ggml.model is the unknown \"{}\"", model), metadata.origin(),
              "known are gpt2, gemma4, llama, bert and t5");
}

TokenizerBase::TokenizerBase(const gguf::Metadata& metadata, const SpecialTokens& defaults)
    : vocabulary_(metadata),
      special_(read(metadata, defaults, vocabulary_)),
      partition_(vocabulary_, read_strip(metadata, vocabulary_)) {}

std::vector<Token> TokenizerBase::encode(std::string_view text, EncodeOptions options) const {
  if (text.size() > std::size_t(std::numeric_limits<std::int32_t>::max()))
    throw Error(Code::too_long, "the text is longer than 2 GB");
  std::vector<Token> tokens;
  tokens.reserve(text.size() / 4 + 8);
  if (options.add_special && special_.add_bos) tokens.push_back(special_.bos);
  encode(partition_.split(text, options.parse_special), tokens);
  const bool ends = options.add_special && !options.goes_on;
  if (ends && special_.add_eos) tokens.push_back(special_.eos);
  if (ends && special_.add_separator) tokens.push_back(special_.separator);
  return tokens;
}

Token TokenizerBase::checked(Token token) const {
  if (vocabulary_.contains(token)) return token;
  throw Error(Code::usage, fmt::format("{} is no token: there are {}", token, size()));
}

std::string TokenizerBase::piece(Token token, bool special) const {
  const std::string_view text = vocabulary_.text(checked(token));
  switch (vocabulary_.kind(token)) {
    case TokenKind::normal:
      return plain_piece(text);
    case TokenKind::user_defined:
      return std::string(text);
    case TokenKind::byte:
      return std::string(1, static_cast<char>(static_cast<unsigned char>(byte_of(text))));
    case TokenKind::unknown:
    case TokenKind::control:
    case TokenKind::unused:
      break;
  }
  return special ? std::string(text) : std::string();
}

std::string TokenizerBase::decode(std::span<const Token> tokens, bool special) const {
  std::string text;
  bool strip = space_prefix() != SpacePrefix::none;
  for (const Token token : tokens) {
    std::string piece = this->piece(token, special);
    const TokenKind kind = vocabulary_.kind(token);
    if (kind == TokenKind::normal || kind == TokenKind::byte) {
      if (strip && piece.starts_with(' ')) piece.erase(0, 1);
      strip = false;
    } else {
      strip = prefixes_after(space_prefix(), kind);
    }
    text += piece;
  }
  return text;
}

SpacePrefix read_space_prefix(const gguf::Metadata& metadata, bool absent) {
  if (!metadata.boolean("tokenizer.ggml.add_space_prefix", absent)) return SpacePrefix::none;
  const std::string name = metadata.string(space_prefix_key, "usual");
  constexpr std::pair<std::string_view, SpacePrefix> known[] = {{"usual", SpacePrefix::usual},
                                                                {"missing", SpacePrefix::missing},
                                                                {"first", SpacePrefix::first},
                                                                {"whole", SpacePrefix::whole}};
  for (const auto& [one, prefix] : known)
    if (one == name) return prefix;
  throw Error(Code::bad_input, fmt::format("{} is the unknown \"{}\"", space_prefix_key, name), metadata.origin());
}

bool prefixes_after(SpacePrefix prefix, TokenKind kind) noexcept {
  return prefix == SpacePrefix::usual || prefix == SpacePrefix::missing ||
         (prefix == SpacePrefix::whole && kind != TokenKind::user_defined);
}

bool prefixes(SpacePrefix prefix, std::string_view text) noexcept {
  if (prefix != SpacePrefix::missing && prefix != SpacePrefix::first) return prefix != SpacePrefix::none;
  return !text.starts_with(' ') && !text.starts_with(space_mark);
}

std::string escape_spaces(std::string_view text, bool prefix) {
  std::string result(prefix ? space_mark : "");
  result.reserve(text.size() + text.size() / 3 + 8);
  for (const char c : text)
    if (c == ' ')
      result += space_mark;
    else
      result += c;
  return result;
}

std::string unescape_spaces(std::string_view text) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    if (text.substr(at).starts_with(space_mark)) {
      result += ' ';
      at += space_mark.size();
    } else {
      result += text[at++];
    }
  }
  return result;
}

}  // namespace hearth::text
