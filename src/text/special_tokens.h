// The tokens with a role: where a text begins and ends, what is added to it, what ends an answer. For this room only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "gguf/metadata.h"
#include "text/vocabulary.h"

namespace hearth::text {

struct SpecialTokens {
  Token bos = no_token, eos = no_token, unknown = no_token, separator = no_token;
  bool add_bos = false, add_eos = false, add_separator = false;
  std::vector<Token> endings;  // sorted: any of them ends an answer

  bool ends_generation(Token token) const noexcept;
};

// What a kind of tokenizer assumes where the metadata is silent, as published files rely on; then what the metadata
// says. Tokens that published vocabularies use as marks ("<|im_end|>", "<fim_prefix>") become control tokens of
// `vocabulary`, whatever the file calls them. Throws bad_input for an id that is no token.
SpecialTokens read_special_tokens(const gguf::Metadata& metadata, SpecialTokens defaults, Vocabulary& vocabulary);

// White space beside a special token that goes with it. [transformers' AddedToken]
struct Strip {
  std::vector<bool> left, right;  // by token; empty: none
};
Strip read_strip(const gguf::Metadata& metadata, const Vocabulary& vocabulary);

}  // namespace hearth::text
