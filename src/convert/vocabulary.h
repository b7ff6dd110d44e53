// A tokenizer on its way into a GGUF file: what tokenizer.json or tokenizer.model says, in the terms of
// tokenizer.ggml.*
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "convert/json.h"
#include "gguf/metadata.h"
#include "text/tokenizer.h"

namespace hearth::convert {

struct Vocabulary {
  std::string model;  // tokenizer.ggml.model: gpt2 (byte-level BPE), llama (SentencePiece BPE), t5 (Unigram), bert
  std::string pre = "default", exact_pre = {};  // text::exact_pre_key, where there is more to say
  std::vector<std::string> tokens;
  std::vector<text::TokenKind> kinds;
  std::vector<float> scores;        // of SentencePiece's models
  std::vector<std::string> merges;  // "left right"
  std::string charsmap;             // SentencePiece's compiled normalisation
  std::optional<bool> add_bos = {}, add_eos = {};
  std::string prefix = {};  // several tokens before each text, for which GGUF has no word
  std::optional<bool> add_space_prefix = {}, remove_extra_whitespaces = {}, lowercase = {}, strip_accents = {};
  bool cleans = true, parts_chinese = true;  // BERT's ways with control characters and Chinese
  bool strips_all_marks = false;             // and not accents alone
  bool composes = false;                     // NFC before all else
  std::string space_prefix = {};             // text::space_prefix_key, where not the usual
  bool keeps_outer_spaces = false;
  std::set<std::uint64_t> strip_left = {}, strip_right = {};   // tokens that take the white space beside them along
  std::map<std::string, std::string, std::less<>> roles = {};  // "bos" -> "<s>", as the tokenizer itself says

  explicit Vocabulary(std::string origin) : origin_(std::move(origin)) {}

  // Puts a token in its place; tokens between are unused. Throws bad_input for an id beyond any vocabulary.
  void set(std::uint64_t id, std::string text, text::TokenKind kind, float score = 0);
  std::optional<std::uint32_t> find(std::string_view text) const;
  // Names what has no token and leaves out what was added past `size`, which it returns; throws bad_input where there
  // are still more.
  std::vector<std::string> fill(std::uint64_t size);
  const std::string& origin() const noexcept { return origin_; }

 private:
  std::string origin_;
};

// Throw unsupported naming the part that has no equal in a GGUF file, bad_input for what is no tokenizer at all.
Vocabulary read_tokenizer_json(const std::filesystem::path& path);
Vocabulary read_sentencepiece(const std::filesystem::path& path);
Vocabulary parse_tokenizer_json(Json json, const std::string& origin);
Vocabulary parse_sentencepiece(std::string_view bytes, const std::string& origin);

// A user-defined token as texts have it: with spaces for "▁".
std::string as_in_texts(std::string token);

// The tokens that tokenizer.json, tokenizer_config.json and added_tokens.json add to the model's own.
void add_tokens(const Json& list, const std::string& origin, Vocabulary& vocabulary);

// `pre` and `exact_pre` of a byte-level tokenizer, recognised by how its tokenizer.json cuts a text; throws unsupported
// naming what is not known.
void recognise_pre_tokenizer(const JsonObject& tokenizer, bool ignore_merges, Vocabulary& vocabulary);

// All of tokenizer.*, from whatever files `folder` has; nothing but tokenizer.ggml.model "none" where it has no
// tokenizer. `size` is the model's vocabulary. Throws as above.
void add_tokenizer(const std::filesystem::path& folder, const JsonObject& config, std::uint64_t size,
                   gguf::Metadata& metadata);

}  // namespace hearth::convert
