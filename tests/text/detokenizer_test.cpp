#include <gtest/gtest.h>

#include <random>

#include "base/utf8.h"
#include "text/small.h"
#include "text/tokenizer.h"

namespace hearth::text {
namespace {

// What comes out at each token, then at the end.
std::vector<std::string> stream(const Tokenizer& tokenizer, Detokenizer detokenizer, std::string_view text) {
  std::vector<std::string> pieces;
  for (const Token token : tokenizer.encode(text, {.add_special = false, .parse_special = true}))
    pieces.push_back(detokenizer.push(token));
  pieces.push_back(detokenizer.finish());
  return pieces;
}

using Pieces = std::vector<std::string>;
constexpr const char* broken = "\xef\xbf\xbd";

TEST(Detokenizer, WaitsForWholeCharacters) {
  const auto tokenizer = Tokenizer::load(tests::small_bpe());
  EXPECT_EQ(stream(*tokenizer, Detokenizer(*tokenizer), "hello"), (Pieces{"hello", ""}));
  EXPECT_EQ(stream(*tokenizer, Detokenizer(*tokenizer), "é"), (Pieces{"", "é", ""}));
  EXPECT_EQ(stream(*tokenizer, Detokenizer(*tokenizer), "😀a"), (Pieces{"", "", "", "😀", "a", ""}));
}

TEST(Detokenizer, ReplacesWhatCanBeNoCharacter) {
  const auto tokenizer = Tokenizer::load(tests::small_bpe());
  const Detokenizer detokenizer(*tokenizer);
  EXPECT_EQ(stream(*tokenizer, detokenizer, "\xff"), (Pieces{broken, ""}));
  EXPECT_EQ(stream(*tokenizer, detokenizer, "\x80\x80"), (Pieces{broken, broken, ""}));
  EXPECT_EQ(stream(*tokenizer, detokenizer, "\xe4\xb8"), (Pieces{"", "", broken}));
  EXPECT_EQ(stream(*tokenizer, detokenizer, "\xe4\xb8x"), (Pieces{"", "", std::string(broken) + "x", ""}));
  EXPECT_EQ(stream(*tokenizer, detokenizer, "\xed\xa0"),
            (Pieces{"", std::string(broken) + broken, ""}));  // a surrogate
  EXPECT_EQ(stream(*tokenizer, detokenizer, "\xf0\x80"), (Pieces{"", std::string(broken) + broken, ""}));  // overlong
}

TEST(Detokenizer, HidesOrShowsSpecialTokens) {
  const auto tokenizer = Tokenizer::load(tests::small_bpe());
  EXPECT_EQ(stream(*tokenizer, Detokenizer(*tokenizer), "a<|end|><tool>"), (Pieces{"a", "", "<tool>", ""}));
  EXPECT_EQ(stream(*tokenizer, Detokenizer(*tokenizer, true), "a<|end|>"), (Pieces{"a", "<|end|>", ""}));
}

TEST(Detokenizer, StripsTheSpaceBeforeTheText) {
  const auto tokenizer = Tokenizer::load(tests::small_sentencepiece());
  EXPECT_EQ(stream(*tokenizer, Detokenizer(*tokenizer, false, true), "hello"), (Pieces{"hello", ""}));
  EXPECT_EQ(stream(*tokenizer, Detokenizer(*tokenizer, false, true), "</s>hello hello"),
            (Pieces{"", "hello", " hello", ""}));
  EXPECT_EQ(stream(*tokenizer, Detokenizer(*tokenizer), "hello"), (Pieces{" hello", ""}));
}

TEST(Detokenizer, GivesValidUtf8WhateverTheTokens) {
  const auto tokenizer = Tokenizer::load(tests::small_bpe());
  std::mt19937 random(4);
  for (int run = 0; run < 2000; ++run) {
    Detokenizer detokenizer(*tokenizer);
    std::string text;
    for (int i = 0; i < 12; ++i) {
      // Mostly bytes of characters outside ASCII: tokens 127 and on.
      const std::string piece = detokenizer.push(Token(127 + random() % 129));
      ASSERT_TRUE(is_utf8(piece));
      text += piece;
    }
    text += detokenizer.finish();
    ASSERT_TRUE(is_utf8(text));
    EXPECT_EQ(detokenizer.finish(), "");
  }
}

}  // namespace
}  // namespace hearth::text
