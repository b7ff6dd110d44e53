// One text that has something for every pattern, cut by each row of the table; checked against the reference together
// with thousands of random texts. The bars are ours.
#include "text/pre_tokenizer.h"

#include <gtest/gtest.h>

#include <string>

#include "text/tokenizer.h"

namespace hearth::text {
namespace {

constexpr std::string_view text =
    "I'll PAY  $1234567,\tHTTPServer'S café e\u0301 中国12 こん של!?\n\n   x..\r\n y…z   ";

struct Case {
  const char* name;
  const char* words;
};

std::string cut(const PreTokenizer& pre_tokenizer, std::string_view whole) {
  std::vector<std::uint32_t> ends;
  pre_tokenizer.split(whole, ends);
  std::string words;
  std::size_t begin = 0;
  for (const std::uint32_t end : ends) {
    if (begin > 0) words += '|';
    words += whole.substr(begin, end - begin);
    begin = end;
  }
  return words;
}

TEST(PreTokenizer, CutsAsItsPatternSays) {
  const Case cases[] = {
      {"default",
       "I|'|ll| PAY|  |$|123|456|7|,|\t|HTTPServer|'|S| café| e|\u0301| 中国|12| こん| של|!?|\n\n  | x|..|\r\n| y|…|z| "
       "  "},
      {"gpt-2",
       "I|'ll| PAY| | $|1234567|,|\t|HTTPServer|'|S| café| e|\u0301| 中国|12| こん| של|!?|\n\n  | x|..|\r\n| y|…|z|  "
       " "},
      {"starcoder",
       "I|'ll| PAY| | $|1|2|3|4|5|6|7|,|\t|HTTPServer|'|S| café| e|\u0301| 中国|1|2| こん| של|!?|\n\n  | x|..|\r\n| "
       "y|…|z|   "},
      {"falcon",
       "I|'|ll| PAY|  |$|123|456|7|,|\t|HTTPServer|'|S| café| e|\u0301| 中国|12| こん| של|!?|\n\n  | x|..|\r\n| y|…|z| "
       "  "},
      {"llama-bpe",
       "I|'ll| PAY| | $|123|456|7|,|\tHTTPServer|'S| café| e|\u0301| 中国|12| こん| של|!?\n\n|  | x|..\r\n| y|…z|   "},
      {"dbrx",
       "I|'ll| PAY| | $|123|456|7|,|\tHTTPServer|'S| café| e|\u0301| 中国|12| こん| של|!?\n\n|  | x|..\r\n| y|…z|   "},
      {"glm4",
       "I|'ll| PAY| | $|123|456|7|,|\tHTTPServer|'S| café| e|\u0301| 中国|12| こん| של|!?\n\n|  | x|..\r\n| y|…z|   "},
      {"chatglm-bpe",
       "I|'ll| PAY| | $|123|456|7|,|\tHTTPServer|'S| café| e|\u0301| 中国|12| こん| של|!?\n\n|  | x|..\r\n| y|…z|   "},
      {"jais-2",
       "I|'ll| PAY| | $|123|456|7|,|\tHTTPServer|'S| café| e|\u0301| 中国|12| こん| של|!?\n\n|  | x|..\r\n| y|…z|  | "},
      {"minicpm5",
       "I|'ll| PAY| | $|123|456|7|,|\tHTTPServer|'S| café| e|\u0301| 中国|12| こん| של|!?\n\n|  | x|..\r\n| y|…z|   "},
      {"qwen2",
       "I|'ll| PAY| | $|1|2|3|4|5|6|7|,|\tHTTPServer|'S| café| e|\u0301| 中国|1|2| こん| של|!?\n\n|  | x|..\r\n| y|…z| "
       "  "},
      {"qwen35",
       "I|'ll| PAY| | $|1|2|3|4|5|6|7|,|\tHTTPServer|'S| café| e\u0301| 中国|1|2| こん| של|!?\n\n|  | x|..\r\n| y|…z|  "
       " "},
      {"seed-coder",
       "I|'ll| PAY| | $|1|2|3|4|5|6|7|,|\tHTTPServer|'S| café| e|\u0301| 中国|1|2| こん| של|!?|\n\n|  | x|..|\r\n| "
       "y|…z|   "},
      {"ufakzeka",
       "I|'ll| PAY| | $|1|2|3|4|5|6|7|,|\tHTTPServer|'S| café| e|\u0301| 中国|1|2| こん| של|!?\n\n|  | x|..\r\n| y|…z| "
       "  "},
      {"laguna",
       "I|'ll| PAY| | $|1|2|3|4|5|6|7|,|\tHTTPServer|'S| café| e|\u0301| 中国|1|2| こん| של|!?|\n\n|  | x|..\r|\n| "
       "y|…z|   "},
      {"gpt-4o",
       "I'll| PAY| | $|123|456|7|,|\tHTTPServer'S| café| e|\u0301| 中国|12| こん| של|!?\n\n|  | x|..\r\n| y|…z|   "},
      {"granite-embed-multi-97m",
       "I'll| PAY| | $|123|456|7|,|\tHTTPServer'S| café| e\u0301| 中国|12| こん| של|!?\n\n|  | x|..\r\n| y|…z|   "},
      {"tekken",
       "I|'ll| PAY| | $|1|2|3|4|5|6|7|,|\tHTTPServer|'S| café| e|\u0301| 中国|1|2| こん| של|!?\n\n|  | x|..\r\n| y|…z| "
       "  "},
      {"gpt-4o-exact",
       "I'll| PAY| | $|123|456|7|,|\tHTTPServer'S| café| e\u0301| 中国|12| こん| של|!?\n\n|  | x|..\r\n| y|…z|   "},
      {"gpt-4o-exact-whole",
       "I'll| PAY| | $|123|456|7|,|\tHTTPServer'S| café| e\u0301| 中国|12| こん| של|!?\n\n|  | x|..\r\n| y|…z|   "},
      {"tekken-exact",
       "I|'ll| PAY| | $|1|2|3|4|5|6|7|,|\tHTTPServer|'S| café| e\u0301| 中国|1|2| こん| של|!?\n\n|  | x|..\r\n| y|…z| "
       "  "},
      {"tiny_aya",
       "I'll| PAY| | $|1|234|567|,|\tHTTPServer'S| café| e\u0301| 中国|12| こん| של|!?\n\n|  | x|..\r\n| y|…z|   "},
      {"youtu",
       "I'll| PAY| | $|1|2|3|4|5|6|7|,|\tHTTPServer'S| café| e\u0301| |中国|1|2| |こん| של|!?\n\n|  | x|..\r\n| y|…|z| "
       "  "},
      {"exaone-moe",
       "I|'ll| PAY| | $|1|2|3|4|5|6|7|,|\tHTTPServer|'S| café e\u0301 中国|1|2| こん של|!?\n|\n|  | x|..\r|\n| y|…z|  "
       " "},
      {"deepseek-llm",
       "I|'|ll| PAY| | $|1234567|,|\tHTTPServer|'|S| caf|é| e|\u0301 |中国|12| |こん| של|!?|\n|\n|  | x|..|\r|\n| "
       "y|…|z|   "},
      {"deepseek-coder",
       "I|'|ll| PAY|  $|1|2|3|4|5|6|7|,|\tHTTPServer|'|S| café| e|\u0301| |中国|1|2| |こん| של|!?|\n|\n|  | "
       "x|..|\r|\n| y|…|z|   "},
      {"deepseek-v3",
       "I|'ll| PAY| | $|123|456|7|,|\tHTTPServer|'S| café| e\u0301| |中国|12| |こん| של|!?\n\n|  | x|..\r\n| y|…|z|  "
       " "},
      {"spark2_5",
       "I|'ll| PAY| | $|1|2|3|4|5|6|7|,|\tHTTPServer|'S| café| e\u0301| |中国|1|2| |こん| של|!?|\n|\n|  | x|..|\r|\n| "
       "y|…|z|   "},
      {"afmoe",
       "I|'ll| PAY| | $|1|234|567|,|\tHTTPServer|'S| café| e\u0301| |中国|12| |こん| של|!?\n\n|  | x|..\r\n| y|…|z|  "
       " "},
      {"bloom",
       "I'll| PAY| | $1234567|,\t|HTTPServer'S| café| e\u0301| 中国12| こん| של|!?\n\n  | x|..\r\n| y|…|z|   "},
      {"viking",
       "I'll| PAY| | $|1|2|3|4|5|6|7|,\t|HTTPServer'S| café| e\u0301| 中国|1|2| こん| של|!?\n\n  | x|..\r\n| y|…|z|  "
       " "},
      {"chameleon",
       "I|'|ll| PAY|  |$|1|2|3|4|5|6|7|,|\t|HTTPServer|'|S| café| e|\u0301| 中国|1|2| こん| של|!|?|\n|\n|  | "
       "x|.|.|\r|\n| y|…|z|  | "},
      {"kimi-k2",
       "I'll| PAY| | $|123|456|7|,|\tHTTPServer'S| café| e|\u0301| |中国|12| こん| של|!?\n\n|  | x|..\r\n| y|…z|   "},
      {"superbpe", "I'll PAY  $|1|234|567|,\tHTTPServer'S café e\u0301 中国|12| こん של!?\n\n   x..\r\n y…z   "},
      {"gemma4", "I'll PAY  $1234567,\tHTTPServer'S café e\u0301 中国12 こん של!?|\n\n|   x..\r|\n| y…z   "},
      {"sarvam-moe", "I'll PAY  $1234567,\tHTTPServer'S café e\u0301 中国12 こん של!?|\n\n|   x..\r|\n| y…z   "},
  };
  EXPECT_EQ(std::size(cases), pre_tokenizers().size());
  for (const Case& one : cases) {
    const PreTokenizer* found = find_pre_tokenizer(one.name);
    ASSERT_NE(found, nullptr) << one.name;
    EXPECT_EQ(cut(*found, text), one.words) << one.name;
  }
}

// Words as the tokenizers' own patterns have them, [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+ and the
// other way round, and as llama.cpp has them.
TEST(PreTokenizer, KnowsTheCaseOfAllLetters) {
  constexpr std::string_view words = "éÉé ÀÉ ДомДом ǅa हिन्दीÉ";
  for (const char* name : {"gpt-4o-exact", "gpt-4o-exact-whole", "tekken-exact"})
    EXPECT_EQ(cut(*find_pre_tokenizer(name), words), "é|Éé| ÀÉ| Дом|Дом| ǅa| हिन्दी|É");
  for (const char* name : {"gpt-4o", "tekken"})
    EXPECT_EQ(cut(*find_pre_tokenizer(name), words), "éÉé| ÀÉ| ДомДом| ǅa| ह|िन|्द|ीÉ");
}

TEST(PreTokenizer, LosesNothingOfAnyBytes) {
  std::string bytes;
  unsigned state = 1;
  for (int i = 0; i < 3000; ++i) bytes += static_cast<char>((state = state * 1103515245 + 12345) >> 16);
  for (const PreTokenizer& row : pre_tokenizers()) {
    std::vector<std::uint32_t> ends;
    row.split(bytes, ends);
    EXPECT_EQ(ends.back(), bytes.size()) << row.names[0];
    for (std::size_t i = 1; i < ends.size(); ++i) ASSERT_LT(ends[i - 1], ends[i]) << row.names[0];
  }
}

TEST(PreTokenizer, KnowsNoStrangers) {
  EXPECT_EQ(find_pre_tokenizer("gpt-9"), nullptr);
  EXPECT_EQ(find_pre_tokenizer(""), nullptr);
}

}  // namespace
}  // namespace hearth::text
