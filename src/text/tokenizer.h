// Text to token ids and back, as the model file's metadata defines it.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "gguf/metadata.h"

namespace hearth::text {

struct EncodeOptions {
  bool add_special = true;     // BOS, EOS, SEP ... where the metadata asks for them
  bool goes_on = false;        // what comes after the text is still to come: no EOS, no SEP
  bool parse_special = false;  // "<|im_end|>" in the text is that token, not its letters
};

// tokenizer.ggml.token_type
enum class TokenKind : std::uint8_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

// What tokenizer.json can say and GGUF has no key for; other programs pass it over. How a byte-level tokenizer cuts
// words, where tokenizer.ggml.pre has only a name for something like it; ids of tokens that take the white space before
// or after them along; whether a byte-level tokenizer composes texts (NFC); where SentencePiece's space before a text
// comes (tokenizer_base.h, SpacePrefix); whether, where runs of spaces are one, those around a text stay; whether
// WordPiece drops control characters, parts Chinese ones and puts [SEP] after a text, as BERT does, and whether it
// takes all marks for accents, as BERT does not.
inline constexpr std::string_view exact_pre_key = "hearth.tokenizer.pre",
                                  strip_left_key = "hearth.tokenizer.strip_left",
                                  strip_right_key = "hearth.tokenizer.strip_right",
                                  composes_key = "hearth.tokenizer.nfc",
                                  space_prefix_key = "hearth.tokenizer.space_prefix",
                                  keeps_outer_spaces_key = "hearth.tokenizer.keep_outer_spaces",
                                  cleans_key = "hearth.tokenizer.clean_text",
                                  parts_chinese_key = "hearth.tokenizer.handle_chinese_chars",
                                  strips_all_marks_key = "hearth.tokenizer.strip_all_marks",
                                  add_separator_key = "hearth.tokenizer.add_separator";

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Whether a file with these metadata has a tokenizer at all.
  static bool is_in(const gguf::Metadata& metadata);
  // Throws bad_input or unsupported, naming file and key: none, an unknown tokenizer model or pre-tokenizer, a table
  // that is too short, a merge that names no token. Copies what it needs.
  static std::unique_ptr<const Tokenizer> load(const gguf::Metadata& metadata);

  // Takes any bytes: invalid UTF-8 is encoded byte by byte where the vocabulary has bytes, as unknown where it has not.
  // Linear in the length of the text. Safe to call from several threads.
  virtual std::vector<Token> encode(std::string_view text, EncodeOptions options = {}) const = 0;

  // The bytes a token stands for; control tokens are empty unless `special`. May be part of a UTF-8 character.
  virtual std::string piece(Token token, bool special = false) const = 0;
  // Pieces joined, with the rules that need context (a leading space that the tokenizer itself put there goes).
  virtual std::string decode(std::span<const Token> tokens, bool special = false) const = 0;

  virtual std::size_t size() const noexcept = 0;
  virtual TokenKind kind(Token token) const = 0;
  // The token written exactly so in the vocabulary, or no_token.
  virtual Token find(std::string_view text) const = 0;

  virtual Token bos() const noexcept = 0;  // no_token where there is none
  virtual Token eos() const noexcept = 0;
  virtual bool adds_bos() const noexcept = 0;
  // Any token after which an answer is over: eos, eot, eom and what published vocabularies call so.
  virtual bool ends_generation(Token token) const noexcept = 0;
};

// Streams pieces as valid UTF-8: a character split over tokens waits; bytes that can never be one become U+FFFD.
class Detokenizer {
 public:
  // Borrows the tokenizer. The first piece's tokenizer-made leading space goes when `strip_leading_space`.
  explicit Detokenizer(const Tokenizer& tokenizer, bool special = false, bool strip_leading_space = false)
      : tokenizer_(&tokenizer), special_(special), strip_(strip_leading_space) {}
  std::string push(Token token);
  // What still waits at the end: an unfinished character, as U+FFFD.
  std::string finish();

 private:
  const Tokenizer* tokenizer_;
  bool special_;
  bool strip_;
  std::string waiting_;
};

}  // namespace hearth::text
