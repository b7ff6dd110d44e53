// Patterns against std::regex, which reads the same syntax.
#include "sample/regex.h"

#include <gtest/gtest.h>

#include <regex>

#include "base/error.h"
#include "sample/language.h"

namespace hearth::sample {
namespace {

std::vector<std::string> short_texts(std::string_view letters, std::size_t longest) {
  std::vector<std::string> texts = {""};
  for (std::size_t i = 0; texts[i].size() < longest; ++i)
    for (const char c : letters) texts.push_back(texts[i] + c);
  return texts;
}

TEST(Regex, FindsWhatStandardRegexFinds) {
  const auto texts = short_texts("ab1 ", 5);
  for (const char* pattern : {"",
                              "a",
                              "^",
                              "$",
                              "^$",
                              "^a",
                              "a$",
                              "^a$",
                              "ab|1",
                              "^ab|1$",
                              "^(ab|1)$",
                              "(^a|b$)",
                              "^(?:a|b)*$",
                              "(a|b)+1?",
                              "a{2}",
                              "^a{2,}$",
                              "^a{1,2}b{0,1}$",
                              "[ab]1",
                              "^[^a]+$",
                              "^[a-b1]*$",
                              "\\d",
                              "^\\D*$",
                              "\\s",
                              "^\\S+$",
                              "\\w ",
                              "^\\W$",
                              "^.{3}$",
                              "a.b",
                              "(?:)",
                              "a()b",
                              "^a*?b+?$",
                              "^(a|ab)(1|b1)$",
                              "x|^a",
                              "[\\d\\s]b",
                              "\\x61",
                              "\\u0062",
                              "^(?:a(?:b(?:1)?)?)?$"}) {
    const Language language = Language::of(parse_regex(pattern));
    const std::regex standard(pattern);
    for (const std::string& text : texts)
      ASSERT_EQ(language.contains(text), std::regex_search(text, standard)) << pattern << " in \"" << text << "\"";
  }
}

TEST(Regex, ReadsWhatStandardRegexDoesNot) {
  const auto found = [](const char* pattern, const char* text) {
    return Language::of(parse_regex(pattern)).contains(text);
  };
  EXPECT_TRUE(found("^[é-ü]{2}$", "éü"));
  EXPECT_TRUE(found("^\\u{1F600}\\uD83D\\uDE00$", "😀😀"));
  EXPECT_TRUE(found("^(?<year>\\d{4})$", "2024"));
  EXPECT_TRUE(found("^.$", "日"));
  EXPECT_FALSE(found("^.$", "\n"));
  EXPECT_TRUE(found("^[^]$", "\n"));
  EXPECT_TRUE(found("^a{,2}$", "a{,2}"));
  EXPECT_TRUE(found("\\cJ\\/\\-[\\b]", "\n/-\b"));
}

TEST(Regex, KnowsGeneralCategories) {
  const auto all = [](const char* pattern, const char* text) {
    return Language::of(parse_regex(pattern)).contains(text);
  };
  for (const char* name : {"L", "Letter", "gc=L", "General_Category=Letter"})
    EXPECT_TRUE(all(("^\\p{" + std::string(name) + "}+$").c_str(), "aZé日ǅʰ")) << name;
  EXPECT_FALSE(all("\\p{L}", "1_-́ 😀"));
  EXPECT_TRUE(all("^\\P{L}+$", "1_-́ 😀"));
  EXPECT_TRUE(all("^\\p{Lu}\\p{Lowercase_Letter}+$", "Écrit"));
  EXPECT_FALSE(all("^\\p{Lu}", "écrit"));
  EXPECT_TRUE(all("^\\p{LC}+$", "aǅ") && !all("\\p{LC}", "日ʰ"));
  EXPECT_TRUE(all("^[\\p{L}\\d_]+$", "añ_9") && !all("^[\\p{L}\\d_]+$", "٣"));
  EXPECT_TRUE(all("^[^\\p{L}\\p{N}]+$", " -!") && !all("^[^\\p{L}\\p{N}]+$", "-٣"));
  EXPECT_TRUE(all("^\\p{N}\\p{Nd}\\p{No}\\p{Nl}$", "1٣²Ⅷ"));
  EXPECT_TRUE(all("^\\p{P}\\p{Sm}\\p{Sc}\\p{Zs}\\p{M}\\p{Cc}$", "!+€\u00a0\u0301\n"));
  EXPECT_TRUE(all("^\\p{Any}\\p{ASCII}\\p{Assigned}$", "日a😀") && !all("\\p{ASCII}", "é"));
}

TEST(Regex, FaultsAreNamed) {
  const auto error = [](const char* pattern) -> std::string {
    try {
      parse_regex(pattern);
    } catch (const Error& e) {
      return e.what();
    }
    return "none";
  };
  EXPECT_EQ(error("a)"), "an unmatched ), character 2 of the pattern a)");
  EXPECT_EQ(error("*a"), "there is nothing to repeat, character 2 of the pattern *a");
  EXPECT_EQ(error("a{2}{3}"), "there is nothing to repeat, character 8 of the pattern a{2}{3}");
  EXPECT_EQ(error("[a"), "a [ that is not closed, character 3 of the pattern [a");
  EXPECT_EQ(error("[b-a]"), "a range from the later to the earlier character, character 5 of the pattern [b-a]");
  EXPECT_EQ(error("a{3,2}"), "a repetition from more to fewer, character 7 of the pattern a{3,2}");
  EXPECT_EQ(error("\\"), "a \\ at the end, character 2 of the pattern \\");
  EXPECT_EQ(error("\\u12"), "an escape with too few hexadecimal digits, character 5 of the pattern \\u12");
  EXPECT_EQ(error("\\ud800"), "an escape that is no Unicode character, character 7 of the pattern \\ud800");
  EXPECT_EQ(error("(a)\\1"), "a back reference cannot be kept to, character 6 of the pattern (a)\\1");
  EXPECT_EQ(error("(?<=a)"), "look-behind cannot be kept to, character 5 of the pattern (?<=a)");
  EXPECT_EQ(error("\\p{Script=Greek}"),
            "the Unicode property Script=Greek cannot be kept to, character 4 of the pattern \\p{Script=Greek}");
  EXPECT_EQ(error("\\pL"), "a Unicode property without its name in braces, character 3 of the pattern \\pL");
  EXPECT_EQ(error("\\p{L"), "a Unicode property without its name in braces, character 4 of the pattern \\p{L");
  EXPECT_EQ(error("\\p{}"), "a Unicode property without its name in braces, character 4 of the pattern \\p{}");
  EXPECT_EQ(error("\\p{gc=}"), "the Unicode property gc= cannot be kept to, character 4 of the pattern \\p{gc=}");
  EXPECT_EQ(error("(^a)?"), "an anchor inside a pattern cannot be kept to, ^ may begin and $ may end an alternative");
  EXPECT_EQ(error(std::string(300, '(').c_str()).substr(0, 28), "groups are nested too deeply");
}

}  // namespace
}  // namespace hearth::sample
