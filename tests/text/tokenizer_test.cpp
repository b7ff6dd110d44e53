#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <thread>

#include "base/error.h"
#include "base/utf8.h"
#include "cpu_seconds.h"
#include "gguf/file.h"
#include "shared.h"
#include "text/small.h"

namespace hearth::text {
namespace {

using tests::small_bpe;
using tests::small_sentencepiece;
using tests::small_unigram;
using tests::small_vocabulary;
using tests::small_wordpiece;
using tests::SmallToken;

using Pieces = std::vector<std::string>;

Pieces pieces(const Tokenizer& tokenizer, std::string_view text, EncodeOptions options = {.add_special = false}) {
  Pieces result;
  for (const Token token : tokenizer.encode(text, options)) result.push_back(tokenizer.piece(token, true));
  return result;
}

constexpr std::string_view tokens_key = "tokenizer.ggml.tokens";

// Tokens [begin, end) in another order, with their scores and kinds.
gguf::Metadata with_shuffled_tokens(gguf::Metadata metadata, std::size_t begin, std::size_t end, std::mt19937& random) {
  std::vector<std::size_t> order(metadata.strings(tokens_key).size());
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin() + std::ptrdiff_t(begin), order.begin() + std::ptrdiff_t(end), random);
  const auto shuffle = [&]<class Item>(std::string_view key) {
    const auto& items = std::get<std::vector<Item>>(std::get<gguf::Array>(metadata.find(key)->data));
    std::vector<Item> shuffled;
    for (const std::size_t i : order) shuffled.push_back(items[i]);
    metadata.set(key, {gguf::Array(shuffled)});
  };
  shuffle.operator()<std::string>(tokens_key);
  shuffle.operator()<float>("tokenizer.ggml.scores");
  shuffle.operator()<std::int32_t>("tokenizer.ggml.token_type");
  return metadata;
}

std::string fault(const gguf::Metadata& metadata) {
  try {
    Tokenizer::load(metadata);
  } catch (const Error& error) {
    return error.what();
  }
  return "loaded";
}

std::string random_text(std::mt19937& random, std::size_t bytes) {
  std::string text;
  const std::string_view parts[] = {"hello", " world", "  ",   "\n",      "\t ",      "é",   "e\u0301",
                                    "中国",  "😀",      "‍",  "<|end|>", "<tool>",   "123", "'ll",
                                    "שלום",  "\0",     "\x80", "\xff",    "\xe4\xb8", "ﬁ"};
  while (text.size() < bytes) text += parts[random() % std::size(parts)];
  for (std::size_t i = 0; i < 2; ++i) text += char(random());
  return text;
}

TEST(BytePair, MergesByRank) {
  const auto tokenizer = Tokenizer::load(small_bpe());
  EXPECT_EQ(pieces(*tokenizer, "hello world"), (Pieces{"hello", " wor", "l", "d"}));
  EXPECT_EQ(pieces(*tokenizer, "aaaaa"), (Pieces{"aaaa", "a"}));
  EXPECT_EQ(pieces(*tokenizer, ""), Pieces{});
}

TEST(BytePair, LongWordsMergeAsShortOnesDo) {
  const auto tokenizer = Tokenizer::load(small_bpe());
  Pieces expected;
  std::string text;
  for (int i = 0; i < 50; ++i) {
    text += "hellowor";
    expected.insert(expected.end(), {"hello", "w", "or"});
  }
  EXPECT_EQ(pieces(*tokenizer, text), expected);
}

TEST(BytePair, MergesTheSameInWhateverOrderTokensStand) {
  const auto metadata = small_bpe();
  const auto tokenizer = Tokenizer::load(metadata);
  std::mt19937 random(6);
  for (int round = 0; round < 10; ++round) {
    const auto shuffled = Tokenizer::load(with_shuffled_tokens(metadata, 256, 267, random));
    for (const char* text : {"hello", " world", "hellowor", "     ", "aaaaaaa", " wheel"})
      ASSERT_EQ(pieces(*shuffled, text), pieces(*tokenizer, text)) << text;
  }
}

TEST(BytePair, TheCacheChangesNothing) {
  const auto tokenizer = Tokenizer::load(small_bpe());
  std::mt19937 random(3);
  for (int i = 0; i < 50; ++i) {
    std::string text;
    std::vector<Token> expected;
    for (int word = 0; word < 200; ++word) {
      std::string one = " ";
      for (unsigned letters = 1 + random() % 4; letters > 0; --letters) one += "helowr"[random() % 6];
      const auto ids = tokenizer->encode(one);
      expected.insert(expected.end(), ids.begin(), ids.end());
      text += one;
    }
    EXPECT_EQ(tokenizer->encode(text), expected);
  }
}

TEST(BytePair, WholeWordsGoBeforeMergesWhereTheyDo) {
  std::vector<std::string> merges = {"l l", "h e", "he l", "hel lo", "l o"};
  const auto by_merges = Tokenizer::load(small_bpe("gpt-2", merges));
  EXPECT_EQ(pieces(*by_merges, "hello"), (Pieces{"he", "ll", "o"}));
  const auto whole = Tokenizer::load(small_bpe("llama-bpe", merges));
  EXPECT_EQ(pieces(*whole, "hello"), Pieces{"hello"});
}

TEST(BytePair, SpecialTokensOnlyWhereAsked) {
  const auto tokenizer = Tokenizer::load(small_bpe());
  EXPECT_EQ(pieces(*tokenizer, "a<|end|>").size(), 8u);
  EXPECT_EQ(pieces(*tokenizer, "a<|end|> <tool>b", {.add_special = false, .parse_special = true}),
            (Pieces{"a", "<|end|>", " ", "<tool>", "b"}));
  EXPECT_EQ(pieces(*tokenizer, "a<tool>"), (Pieces{"a", "<tool>"}));  // user-defined tokens always
}

TEST(BytePair, BeginningAndEndAsTheMetadataSays) {
  auto metadata = small_bpe();
  EXPECT_FALSE(Tokenizer::load(metadata)->adds_bos());
  metadata.set("tokenizer.ggml.bos_token_id", {std::uint32_t{1}});
  metadata.set("tokenizer.ggml.add_bos_token", {true});
  metadata.set("tokenizer.ggml.add_eos_token", {true});
  const auto tokenizer = Tokenizer::load(metadata);
  EXPECT_TRUE(tokenizer->adds_bos());
  const Token a = tokenizer->find("a");
  EXPECT_EQ(tokenizer->encode("a"), (std::vector<Token>{1, a, tokenizer->eos()}));
  EXPECT_EQ(tokenizer->encode("a", {.add_special = false}), std::vector<Token>{a});
  EXPECT_EQ(tokenizer->encode("a", {.goes_on = true}), (std::vector<Token>{1, a}));
  EXPECT_EQ(tokenizer->encode(""), (std::vector<Token>{1, tokenizer->eos()}));
}

TEST(BytePair, DecodesWhatItEncodes) {
  const auto tokenizer = Tokenizer::load(small_bpe());
  std::mt19937 random(1);
  for (int i = 0; i < 300; ++i) {
    const std::string text = random_text(random, random() % 200);
    for (const bool parse : {false, true})
      ASSERT_EQ(tokenizer->decode(tokenizer->encode(text, {.add_special = false, .parse_special = parse}), true), text);
  }
}

TEST(BytePair, DecodesWhatItEncodesWithPublishedVocabularies) {
  HEARTH_NEEDS_SHARED();
  std::mt19937 random(2);
  for (const char* name : {"gpt-2", "qwen2"}) {  // others lack a byte or two that no UTF-8 has
    const auto path = tests::shared() / "conformance" / "vocab" / (std::string("ggml-vocab-") + name + ".gguf");
    const auto tokenizer = Tokenizer::load(gguf::File::open(path).metadata());
    for (int i = 0; i < 100; ++i) {
      const std::string text = random_text(random, random() % 300);
      ASSERT_EQ(tokenizer->decode(tokenizer->encode(text, {.add_special = false}), true), text) << name;
    }
  }
}

TEST(SentencePiece, MergesByScore) {
  const auto tokenizer = Tokenizer::load(small_sentencepiece());
  EXPECT_EQ(pieces(*tokenizer, "hello"), Pieces{" hello"});
  EXPECT_EQ(pieces(*tokenizer, "hello"), pieces(*tokenizer, "hello", {.add_special = false, .parse_special = true}));
  EXPECT_EQ(tokenizer->encode("hello")[0], tokenizer->bos());
  EXPECT_EQ(tokenizer->encode("").size(), 1u);
  // The reference merges "▁h" first, then "el", then both.
  EXPECT_EQ(pieces(*tokenizer, "hel"), Pieces{" hel"});
}

TEST(SentencePiece, MergesTheSameInWhateverOrderTokensStand) {
  const auto metadata = small_sentencepiece();
  const auto tokenizer = Tokenizer::load(metadata);
  std::mt19937 random(5);
  for (int round = 0; round < 20; ++round) {
    const auto shuffled =
        Tokenizer::load(with_shuffled_tokens(metadata, 3, metadata.strings(tokens_key).size(), random));
    for (const char* text : {"hello", "hel", "hhello lohel", "olleh é <tool> el"})
      ASSERT_EQ(pieces(*shuffled, text), pieces(*tokenizer, text)) << text;
  }
}

TEST(SentencePiece, WritesWhatItLacksByteByByte) {
  const auto tokenizer = Tokenizer::load(small_sentencepiece());
  EXPECT_EQ(pieces(*tokenizer, "é中"), (Pieces{" ", "é", "\xe4", "\xb8", "\xad"}));
  EXPECT_EQ(pieces(*tokenizer, "\xe9h"), (Pieces{" ", "\xe9", "h"}));
}

TEST(SentencePiece, PutsASpaceBeforeTextAndTakesItAway) {
  const auto tokenizer = Tokenizer::load(small_sentencepiece());
  const EncodeOptions options = {.add_special = false, .parse_special = true};
  EXPECT_EQ(pieces(*tokenizer, "hello</s>hello", options), (Pieces{" hello", "</s>", " hello"}));
  for (const char* text : {"hello", " hello", "  hello", "hello</s>hello", "</s> h", "é <tool>h", ""})
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, options), true), text);

  auto metadata = small_sentencepiece();
  metadata.set("tokenizer.ggml.add_space_prefix", {false});
  const auto bare = Tokenizer::load(metadata);
  EXPECT_EQ(pieces(*bare, "hello"), (Pieces{"h", "el", "lo"}));
  EXPECT_EQ(bare->decode(bare->encode(" hello", options)), " hello");
}

TEST(SentencePiece, MayPutASpaceBeforeTheBeginningAlone) {
  auto metadata = small_sentencepiece();
  metadata.set(space_prefix_key, {std::string("first")});
  const auto tokenizer = Tokenizer::load(metadata);
  const EncodeOptions options = {.add_special = false, .parse_special = true};
  EXPECT_EQ(pieces(*tokenizer, "hello</s>hello</s> hello", options),
            (Pieces{" hello", "</s>", "h", "el", "lo", "</s>", " hello"}));
  EXPECT_EQ(pieces(*tokenizer, " hello", options), (Pieces{" hello"}));
  EXPECT_EQ(pieces(*tokenizer, "</s>hello", options), (Pieces{"</s>", "h", "el", "lo"}));
  for (const char* text : {"hello", "hello</s> h", "</s> h", "é <tool> h", ""})
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, options), true), text);
}

TEST(SentencePiece, MayPutASpaceWhereNoneIs) {
  auto metadata = small_sentencepiece();
  metadata.set(space_prefix_key, {std::string("missing")});
  const auto tokenizer = Tokenizer::load(metadata);
  const EncodeOptions options = {.add_special = false, .parse_special = true};
  EXPECT_EQ(pieces(*tokenizer, "hello</s>hello</s> hello", options),
            (Pieces{" hello", "</s>", " hello", "</s>", " hello"}));
  EXPECT_EQ(pieces(*tokenizer, "<tool>h", options), (Pieces{"<tool>", " h"}));
  EXPECT_EQ(pieces(*tokenizer, "  h", options), (Pieces{" ", " h"}));
}

// As SentencePiece itself does, to which user-defined tokens are text and special ones are not.
TEST(SentencePiece, MayPutASpaceBeforeTheWholeText) {
  auto metadata = small_sentencepiece();
  metadata.set(space_prefix_key, {std::string("whole")});
  const auto tokenizer = Tokenizer::load(metadata);
  const EncodeOptions options = {.add_special = false, .parse_special = true};
  EXPECT_EQ(pieces(*tokenizer, "<tool>h", options), (Pieces{" ", "<tool>", "h"}));
  EXPECT_EQ(pieces(*tokenizer, "h<tool> h<tool>", options), (Pieces{" h", "<tool>", " h", "<tool>"}));
  EXPECT_EQ(pieces(*tokenizer, "</s><tool> h</s>h", options), (Pieces{"</s>", " ", "<tool>", " h", "</s>", " h"}));
  for (const char* text : {"<tool>h", "<tool> h", "h <tool> h", "</s>h</s><tool>h", " <tool>"})
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, options), true), text);
}

TEST(WordPiece, NormalisesAndCutsGreedily) {
  auto metadata = small_wordpiece();
  metadata.set("tokenizer.ggml.unknown_token_id", {std::uint32_t{1}});
  metadata.set("tokenizer.ggml.cls_token_id", {std::uint32_t{2}});
  metadata.set("tokenizer.ggml.seperator_token_id", {std::uint32_t{3}});
  const auto tokenizer = Tokenizer::load(metadata);
  EXPECT_EQ(pieces(*tokenizer, "HELLO,Café\u200b\x01s"), (Pieces{" hel", "lo", " ,", " cafe", "s"}));
  EXPECT_EQ(pieces(*tokenizer, "中国 hellox h"), (Pieces{" 中", " 国", "[UNK]", " h"}));
  EXPECT_EQ(pieces(*tokenizer, "h", {}), (Pieces{"[CLS]", " h", "[SEP]"}));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("Hello, h")), "hello , h");

  // As BERT does it: control characters part no words (but tab and line ends), "▁" begins none, 100 characters are
  // most.
  EXPECT_EQ(pieces(*tokenizer, "hel\x0blo\u0085s h\ts"), (Pieces{" hel", "lo", "s", " h", "[UNK]"}));
  EXPECT_EQ(pieces(*tokenizer, "h▁h"), (Pieces{"[UNK]"}));
  const std::string longest = "h" + std::string(99, 's');
  EXPECT_EQ(pieces(*tokenizer, longest).size(), 100);
  EXPECT_EQ(pieces(*tokenizer, longest + "s"), (Pieces{"[UNK]"}));

  metadata.set("tokenizer.ggml.normalizer.lowercase", {false});
  EXPECT_EQ(pieces(*Tokenizer::load(metadata), "Hello hello"), (Pieces{"[UNK]", " hel", "lo"}));
}

// Accents are nonspacing marks; what else a character is made of stays: the letters of a Hangul syllable, vowel signs.
TEST(WordPiece, TakesCharactersApart) {
  auto metadata =
      small_vocabulary("bert", {{"[UNK]", 3}, {"▁ᄒ"}, {"ᅡ"}, {"ᆫ"}, {"▁ক"}, {"ে"}, {"া"}, {"▁e"}, {"▁;"}});
  metadata.set("tokenizer.ggml.unknown_token_id", {std::uint32_t{0}});
  const auto tokenizer = Tokenizer::load(metadata);
  EXPECT_EQ(pieces(*tokenizer, "한"), (Pieces{" ᄒ", "ᅡ", "ᆫ"}));
  EXPECT_EQ(pieces(*tokenizer, "\u0995\u09cb"), (Pieces{" ক", "ে", "া"}));
  EXPECT_EQ(pieces(*tokenizer, "\u1ec7\u037e"), (Pieces{" e", " ;"}));  // "ệ", and Greek's question mark

  metadata.set("tokenizer.ggml.normalizer.strip_accents", {false});
  EXPECT_EQ(pieces(*Tokenizer::load(metadata), "한"), (Pieces{"[UNK]"}));

  // The one capital whose small letter is two characters.
  metadata = small_vocabulary("bert", {{"[UNK]", 3}, {"▁i"}, {"\u0307"}});
  EXPECT_EQ(pieces(*Tokenizer::load(metadata), "\u0130"), (Pieces{" i"}));
  metadata.set("tokenizer.ggml.normalizer.strip_accents", {false});
  EXPECT_EQ(pieces(*Tokenizer::load(metadata), "\u0130"), (Pieces{" i", "\u0307"}));
}

TEST(Unigram, TakesTheLikeliest) {
  auto metadata = small_unigram();
  metadata.set("tokenizer.ggml.add_space_prefix", {true});
  metadata.set("tokenizer.ggml.remove_extra_whitespaces", {true});
  const auto tokenizer = Tokenizer::load(metadata);
  EXPECT_EQ(pieces(*tokenizer, "hello"), (Pieces{" he", "llo"}));  // -8 beats -9
  EXPECT_EQ(pieces(*tokenizer, "  hello   hello "), (Pieces{" he", "llo", " he", "llo"}));
  EXPECT_EQ(pieces(*tokenizer, "xyl"), (Pieces{" ", "<unk>", "l"}));
  EXPECT_EQ(tokenizer->encode("hello").back(), tokenizer->eos());
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("hello hello")), "hello hello");
}

TEST(Unigram, PutsASpaceBeforeATextOnlyWhereAsked) {
  auto metadata = small_unigram();
  metadata.set("tokenizer.ggml.remove_extra_whitespaces", {true});
  const auto tokenizer = Tokenizer::load(metadata);
  EXPECT_EQ(pieces(*tokenizer, "  lol  hello "), (Pieces{"l", "o", "l", " he", "llo"}));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("lo hello")), "lo hello");
}

TEST(Unigram, PutsASpaceWhereNoneIs) {
  auto metadata = small_unigram();
  metadata.set("tokenizer.ggml.add_space_prefix", {true});
  const auto all = [&](std::string_view text) { return pieces(*Tokenizer::load(metadata), text); };
  EXPECT_EQ(all("  l"), (Pieces{" ", " ", " ", "l"}));  // as llama.cpp
  metadata.set(space_prefix_key, {std::string("missing")});
  EXPECT_EQ(all("  l"), (Pieces{" ", " ", "l"}));
  EXPECT_EQ(all("▁l"), (Pieces{" ", "l"}));
  EXPECT_EQ(all(" "), (Pieces{" "}));
  EXPECT_EQ(all("l"), (Pieces{" ", "l"}));
  metadata.set(space_prefix_key, {std::string("odd")});
  EXPECT_EQ(fault(metadata), "hearth.tokenizer.space_prefix is the unknown \"odd\", small.gguf");
}

TEST(Unigram, MayKeepASpaceAroundAText) {
  auto metadata = small_unigram();
  metadata.set("tokenizer.ggml.add_space_prefix", {true});
  metadata.set(space_prefix_key, {std::string("missing")});
  metadata.set("tokenizer.ggml.remove_extra_whitespaces", {true});
  metadata.set(keeps_outer_spaces_key, {true});
  const auto tokenizer = Tokenizer::load(metadata);
  EXPECT_EQ(pieces(*tokenizer, "  l   l  "), (Pieces{" ", "l", " ", "l", " "}));
  EXPECT_EQ(pieces(*tokenizer, "   "), (Pieces{" "}));
}

// A character is none of a user-defined token's, though it begins with the same byte.
TEST(Unigram, KeepsCharactersWhole) {
  auto metadata = small_vocabulary("t5", {{"</s>", 3}, {"<unk>", 2}, {"é", 1, -3}, {"è!", 4}});
  metadata.set("tokenizer.ggml.unknown_token_id", {std::uint32_t{1}});
  EXPECT_EQ(pieces(*Tokenizer::load(metadata), "éè!é"), (Pieces{"é", "è!", "é"}));
}

TEST(Unigram, WritesWhatItDoesNotKnowByteByByteWhereItHasTheBytes) {
  std::vector<SmallToken> tokens = {{"</s>", 3}, {"<unk>", 2}, {"▁", 1, -3}, {"o", 1, -6}};
  for (int byte = 0; byte < 256; ++byte) tokens.push_back({fmt::format("<0x{:02X}>", byte), 6});
  auto metadata = small_vocabulary("t5", tokens);
  metadata.set("tokenizer.ggml.add_space_prefix", {true});
  metadata.set("tokenizer.ggml.unknown_token_id", {std::uint32_t{1}});
  const auto tokenizer = Tokenizer::load(metadata);
  EXPECT_EQ(pieces(*tokenizer, "éxo"), (Pieces{" ", "\xc3", "\xa9", "x", "o"}));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("日本 o")), "日本 o");
}

// A table with one key, "A", that becomes "he": children of the root stand at base 0.
std::vector<std::uint8_t> charsmap() {
  std::vector<std::uint32_t> nodes(256, 0);
  nodes[0] = 0;
  nodes['A'] = 'A' | 1u << 8 | (std::uint32_t('A') ^ 1u) << 10;  // its value is at node 1
  nodes[1] = 1u << 31 | 0;
  std::vector<std::uint8_t> bytes;
  const auto put = [&](std::uint32_t word) {
    for (int shift = 0; shift < 32; shift += 8) bytes.push_back(std::uint8_t(word >> shift));
  };
  put(256 * 4);
  for (const std::uint32_t node : nodes) put(node);
  for (const char c : {'h', 'e', '\0'}) bytes.push_back(std::uint8_t(c));
  return bytes;
}

TEST(Unigram, NormalisesByTheCharsmap) {
  auto metadata = small_unigram();
  metadata.set("tokenizer.ggml.add_space_prefix", {true});
  metadata.set("tokenizer.ggml.precompiled_charsmap", {gguf::Array(charsmap())});
  const auto tokenizer = Tokenizer::load(metadata);
  EXPECT_EQ(pieces(*tokenizer, "Allo"), (Pieces{" he", "llo"}));
}

TEST(Unigram, RefusesABrokenCharsmap) {
  auto metadata = small_unigram();
  const auto with = [&](std::vector<std::uint8_t> bytes) {
    metadata.set("tokenizer.ggml.precompiled_charsmap", {gguf::Array(std::move(bytes))});
    return fault(metadata);
  };
  const std::string start = "tokenizer.ggml.precompiled_charsmap is malformed: ";
  EXPECT_EQ(with({1, 2}), start + "it is shorter than its header, small.gguf");
  EXPECT_EQ(with({255, 255, 255, 0, 0}), start + "its table is no whole number of entries, small.gguf");
  EXPECT_EQ(with({4, 0, 0, 0, 0}), start + "its table is longer than the whole, small.gguf");
  auto bytes = charsmap();
  bytes.back() = 'x';
  EXPECT_EQ(with(bytes), start + "the last replacement has no end, small.gguf");
  bytes = charsmap();
  bytes[4 + 4] = 200;  // the replacement lies beyond the end
  EXPECT_EQ(with(bytes), start + "a key has no replacement, small.gguf");
}

TEST(Tokenizer, KnowsWhatEndsAnAnswer) {
  auto metadata = small_vocabulary(
      "llama", {{"<unk>", 2}, {"<s>", 3}, {"</s>", 3}, {"<|im_end|>", 1}, {"a"}, {"<eot>"}, {"<|eot_id|>", 4}});
  metadata.set("tokenizer.ggml.eot_token_id", {std::uint32_t{5}});
  const auto tokenizer = Tokenizer::load(metadata);
  const bool expected[] = {false, false, true, true, false, true, true};
  for (Token token = 0; token < 7; ++token) EXPECT_EQ(tokenizer->ends_generation(token), expected[token]) << token;
  EXPECT_FALSE(tokenizer->ends_generation(no_token));
  EXPECT_EQ(tokenizer->kind(3), TokenKind::control);  // whatever the file says
  EXPECT_EQ(tokenizer->piece(3), "");
  EXPECT_EQ(tokenizer->piece(3, true), "<|im_end|>");
}

TEST(Tokenizer, LongerSpecialTokensGoFirst) {
  auto metadata = small_vocabulary(
      "llama",
      {{"<unk>", 2}, {"<s>", 3}, {"</s>", 3}, {"ab", 4}, {"bcd", 4}, {"bc", 4}, {"a"}, {"b"}, {"c"}, {"d"}, {"x"}});
  metadata.set("tokenizer.ggml.add_space_prefix", {false});
  const auto tokenizer = Tokenizer::load(metadata);
  EXPECT_EQ(pieces(*tokenizer, "abcd"), (Pieces{"a", "bcd"}));
  EXPECT_EQ(pieces(*tokenizer, "abcxab"), (Pieces{"ab", "c", "x", "ab"}));
}

TEST(Tokenizer, SpecialTokensTakeWhiteSpaceAlong) {
  auto metadata = small_sentencepiece();
  metadata.set("general.name", {std::string("Phi-3-mini")});
  const auto tokenizer = Tokenizer::load(metadata);
  EXPECT_EQ(pieces(*tokenizer, "h</s> \n h", {.add_special = false, .parse_special = true}),
            (Pieces{" h", "</s>", " h"}));
  metadata.set(strip_left_key, {gguf::Array(std::vector<std::uint32_t>{2})});
  EXPECT_EQ(pieces(*Tokenizer::load(metadata), "h \n</s> h", {.add_special = false, .parse_special = true}),
            (Pieces{" h", "</s>", " ", " h"}));
  metadata.set(strip_left_key, {gguf::Array(std::vector<std::uint32_t>{1000})});
  EXPECT_THROW(Tokenizer::load(metadata), Error);
}

TEST(Tokenizer, ReadsNoTokenOutOfRange) {
  const auto tokenizer = Tokenizer::load(small_bpe());
  for (const Token token : {no_token, Token(tokenizer->size()), std::numeric_limits<Token>::max()}) {
    EXPECT_THROW(tokenizer->piece(token), Error);
    EXPECT_THROW(tokenizer->kind(token), Error);
    EXPECT_FALSE(tokenizer->ends_generation(token));
  }
  EXPECT_EQ(tokenizer->find("no such token"), no_token);
}

TEST(Tokenizer, NamesTheFault) {
  const auto with = [](gguf::Metadata metadata, std::string_view key, gguf::Value value) {
    metadata.set(key, std::move(value));
    return fault(metadata);
  };
  const auto without = [](gguf::Metadata metadata, std::string_view key) {
    metadata.erase(key);
    return fault(metadata);
  };
  EXPECT_EQ(with(small_bpe(), "tokenizer.ggml.model", {std::string("abacus")}),
            "tokenizer.ggml.model is the unknown \"abacus\", small.gguf, known are gpt2, gemma4, llama, bert and t5");
  EXPECT_TRUE(with(small_bpe(), "tokenizer.ggml.pre", {std::string("gpt-9")})
                  .starts_with("tokenizer.ggml.pre is the unknown \"gpt-9\", small.gguf, known are default, gpt-2, "));
  EXPECT_TRUE(with(small_bpe(), exact_pre_key, {std::string("gpt-9")})
                  .starts_with("hearth.tokenizer.pre is the unknown \"gpt-9\", small.gguf"));
  EXPECT_EQ(with(small_bpe("gpt-9"), exact_pre_key, {std::string("tekken-exact")}), "loaded");
  EXPECT_EQ(without(small_bpe(), "tokenizer.ggml.pre"), "loaded");
  EXPECT_EQ(without(small_bpe(), "tokenizer.ggml.merges"), "the key tokenizer.ggml.merges is missing, small.gguf");
  EXPECT_EQ(without(small_bpe(), "tokenizer.ggml.tokens"), "the key tokenizer.ggml.tokens is missing, small.gguf");
  EXPECT_EQ(with(small_bpe(), "tokenizer.ggml.tokens", {gguf::Array(std::vector<std::string>{})}),
            "tokenizer.ggml.tokens is empty, small.gguf");
  EXPECT_EQ(with(small_bpe(), "tokenizer.ggml.tokens", {std::string("a")}),
            "tokenizer.ggml.tokens is of type string where an array of strings is needed, small.gguf");
  EXPECT_EQ(with(small_bpe(), "tokenizer.ggml.merges", {gguf::Array(std::vector<std::string>{"h e", "q z"})}),
            "tokenizer.ggml.merges[1] is \"q z\", and not two tokens that make a third, small.gguf");
  for (const char* merge : {"", "h", " ", "h e l"})
    EXPECT_EQ(
        with(small_bpe(), "tokenizer.ggml.merges", {gguf::Array(std::vector<std::string>{merge})}),
        fmt::format("tokenizer.ggml.merges[0] is \"{}\", and not two tokens that make a third, small.gguf", merge));
  EXPECT_EQ(with(small_unigram(), "tokenizer.ggml.token_type", {gguf::Array(std::vector<std::int32_t>{1, 2})}),
            "tokenizer.ggml.token_type has 2 entries and tokenizer.ggml.tokens has 11, small.gguf");
  EXPECT_EQ(with(small_unigram(), "tokenizer.ggml.scores", {gguf::Array(std::vector<float>{1})}),
            "tokenizer.ggml.scores has 1 entries and tokenizer.ggml.tokens has 11, small.gguf");
  EXPECT_EQ(with(small_unigram(), "tokenizer.ggml.scores", {gguf::Array(std::vector<float>(11, std::nanf("")))}),
            "tokenizer.ggml.scores[0] is not a finite number, small.gguf");
  EXPECT_EQ(with(small_unigram(), "tokenizer.ggml.unknown_token_id", {std::uint32_t{11}}),
            "tokenizer.ggml.unknown_token_id is 11, and there are 11 tokens, small.gguf");
  EXPECT_EQ(with(small_unigram(), "tokenizer.ggml.eos_token_id", {std::uint32_t{0xffffffff}}), "loaded");
  EXPECT_EQ(fault(small_vocabulary("llama", {{"a"}, {"b"}, {"a"}})),
            "tokenizer.ggml.tokens[2] is the same text as tokenizer.ggml.tokens[0], small.gguf");
  for (const char* byte : {"<0x-1>", "<0xGG>", "<0x100>", "", "<0x+1>"})
    EXPECT_EQ(fault(small_vocabulary("llama", {{"a"}, {byte, 6}})),
              "tokenizer.ggml.tokens[1] is called a byte and not written as one, such as <0x0A>, small.gguf");
}

// Hostile or not, a text takes time in proportion to its length.
TEST(Tokenizer, IsLinear) {
  std::vector<std::unique_ptr<const Tokenizer>> tokenizers;
  for (const auto& metadata :
       {small_bpe(), small_bpe("llama-bpe"), small_bpe("gpt-4o"), small_bpe("deepseek-llm"), small_bpe("jais-2"),
        small_bpe("chameleon"), small_sentencepiece(), small_wordpiece(), small_unigram()})
    tokenizers.push_back(Tokenizer::load(metadata));
  std::mt19937 random(1);
  std::string noise;
  for (std::size_t i = 0; i < 100'000; ++i) noise += char(random());
  for (const auto& tokenizer : tokenizers)
    for (const std::string& text :
         {std::string(100'000, 'a'), std::string(100'000, ' '), std::string(100'000, ' ') + "中",
          std::string(100'000, 'A'), std::string(100'000, '\n'), std::string(100'000, '\''), noise}) {
      const double start = cpu_seconds();
      EXPECT_LE(tokenizer->encode(text, {.parse_special = true}).size(), 2 * text.size() + 2);  // the bytes of "▁"
      // The square of the length would take longer.
      EXPECT_LT(cpu_seconds() - start, 10);
    }
}

TEST(Tokenizer, ServesSeveralThreads) {
  const auto tokenizer = Tokenizer::load(small_bpe());
  std::mt19937 random(5);
  const std::string text = random_text(random, 20'000);
  const auto expected = tokenizer->encode(text);
  std::vector<std::thread> threads;
  std::vector<std::vector<Token>> results(4);
  for (auto& result : results) threads.emplace_back([&] { result = tokenizer->encode(text); });
  for (auto& thread : threads) thread.join();
  for (const auto& result : results) EXPECT_EQ(result, expected);
}

}  // namespace
}  // namespace hearth::text
