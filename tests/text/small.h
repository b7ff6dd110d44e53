// Small vocabularies of each kind, as metadata of a model file would hold them.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "gguf/metadata.h"

namespace hearth::tests {

struct SmallToken {
  std::string text;
  int kind = 1;
  float score = 0;
};

inline gguf::Metadata small_vocabulary(const std::string& model, const std::vector<SmallToken>& tokens) {
  std::vector<std::string> texts;
  std::vector<float> scores;
  std::vector<std::int32_t> kinds;
  for (const SmallToken& token : tokens) {
    texts.push_back(token.text);
    scores.push_back(token.score);
    kinds.push_back(token.kind);
  }
  gguf::Metadata metadata("small.gguf");
  metadata.set("tokenizer.ggml.model", {model});
  metadata.set("tokenizer.ggml.tokens", {gguf::Array(texts)});
  metadata.set("tokenizer.ggml.scores", {gguf::Array(scores)});
  metadata.set("tokenizer.ggml.token_type", {gguf::Array(kinds)});
  return metadata;
}

// The 256 bytes in GPT-2's alphabet, then what the merges make, then <|end|> (control) and <tool> (user-defined).
inline gguf::Metadata small_bpe(const std::string& pre = "gpt-2",
                                const std::vector<std::string>& merges = {"h e", "l l", "ll o", "he llo", "Ġ w", "o r",
                                                                          "Ġw or", "Ġ Ġ", "ĠĠ ĠĠ", "a a", "aa aa"}) {
  std::vector<SmallToken> tokens;
  int next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool itself = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    const int code = itself ? byte : next++;
    tokens.push_back(
        {code < 0x80 ? std::string(1, char(code)) : std::string{char(0xc0 | code >> 6), char(0x80 | (code & 0x3f))}});
  }
  for (std::string merge : merges) {
    merge.erase(merge.find(' ', 1), 1);
    tokens.push_back({merge});
  }
  tokens.push_back({"<|end|>", 3});
  tokens.push_back({"<tool>", 4});
  gguf::Metadata metadata = small_vocabulary("gpt2", tokens);
  metadata.set("tokenizer.ggml.pre", {pre});
  metadata.set("tokenizer.ggml.merges", {gguf::Array(merges)});
  metadata.set("tokenizer.ggml.eos_token_id", {std::uint32_t(tokens.size() - 2)});
  return metadata;
}

// <unk>, <s>, </s>, the bytes, then pieces with scores.
inline gguf::Metadata small_sentencepiece() {
  std::vector<SmallToken> tokens = {{"<unk>", 2}, {"<s>", 3}, {"</s>", 3}};
  for (int byte = 0; byte < 256; ++byte) tokens.push_back({fmt::format("<0x{:02X}>", byte), 6});
  float score = 0;
  for (const char* text : {"▁h", "el", "▁hel", "lo", "▁hello", "▁", "h", "e", "l", "o", "é", "▁▁"})
    tokens.push_back({text, 1, score -= 1});
  tokens.push_back({"<tool>", 4});
  return small_vocabulary("llama", tokens);
}

inline gguf::Metadata small_wordpiece() {
  return small_vocabulary("bert", {{"[PAD]", 3},
                                   {"[UNK]", 3},
                                   {"[CLS]", 3},
                                   {"[SEP]", 3},
                                   {"▁hel"},
                                   {"lo"},
                                   {"▁cafe"},
                                   {"▁,"},
                                   {"▁中"},
                                   {"▁国"},
                                   {"▁h"},
                                   {"s"}});
}

inline gguf::Metadata small_unigram() {
  return small_vocabulary("t5", {{"<pad>", 3},
                                 {"</s>", 3},
                                 {"<unk>", 2},
                                 {"▁", 1, -3},
                                 {"▁he", 1, -4},
                                 {"llo", 1, -4},
                                 {"▁hello", 1, -9},
                                 {"l", 1, -6},
                                 {"o", 1, -6},
                                 {"h", 1, -6},
                                 {"e", 1, -6}});
}

}  // namespace hearth::tests
