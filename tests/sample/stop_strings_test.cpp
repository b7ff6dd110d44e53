#include "sample/stop_strings.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"

namespace hearth::sample {
namespace {

struct Outcome {
  std::string text;
  std::optional<std::size_t> stop;
  bool operator==(const Outcome&) const = default;
};

Outcome run(const std::vector<std::string>& stops, std::string_view text, std::size_t piece) {
  StopStrings matcher(stops);
  Outcome outcome;
  while (!text.empty() && !outcome.stop) {
    auto met = matcher.push(text.substr(0, piece));
    text.remove_prefix(std::min(piece, text.size()));
    outcome.text += met.text;
    outcome.stop = met.stop;
  }
  if (!outcome.stop) outcome.text += matcher.finish();
  return outcome;
}

// Whatever the pieces, the same.
void expect(const std::vector<std::string>& stops, std::string_view text, const Outcome& expected) {
  for (std::size_t piece = 1; piece <= text.size(); ++piece) EXPECT_EQ(run(stops, text, piece).text, expected.text);
  for (std::size_t piece = 1; piece <= text.size(); ++piece) EXPECT_EQ(run(stops, text, piece).stop, expected.stop);
}

TEST(StopStrings, GivesTheTextBefore) {
  expect({"END"}, "one ENtwo ENDthree", {"one ENtwo ", 0});
  expect({"END"}, "one EN", {"one EN", {}});
  expect({"\n\n", "User:"}, "hi\nUser: there", {"hi\n", 1});
  expect({}, "anything", {"anything", {}});
  expect({"a"}, "a", {"", 0});
}

TEST(StopStrings, FindsWhatBeginsInsideAFailedBeginning) {
  expect({"aab"}, "aaab", {"a", 0});
  expect({"abcabd"}, "abcabcabd", {"abc", 0});
  expect({"aaaa"}, "aabaaaba", {"aabaaaba", {}});
}

TEST(StopStrings, TheFirstToEndWinsThenTheLonger) {
  expect({"abcd", "c"}, "xabcd", {"xab", 1});
  expect({"c", "abc"}, "xabcd", {"x", 1});
  expect({"bc", "abd", "c"}, "abc", {"a", 0});
}

TEST(StopStrings, HoldsBackNoMoreThanItMust) {
  const std::vector<std::string> stops = {"</end>"};
  StopStrings matcher(stops);
  EXPECT_EQ(matcher.push("text </e").text, "text ");
  EXPECT_EQ(matcher.push("m> <").text, "</em> ");
  EXPECT_EQ(matcher.push("").text, "");
  EXPECT_EQ(matcher.finish(), "<");
  EXPECT_EQ(matcher.finish(), "");
}

TEST(StopStrings, NothingComesAfterTheStop) {
  const std::vector<std::string> stops = {"X"};
  StopStrings matcher(stops);
  const auto met = matcher.push("aXb");
  EXPECT_EQ(met.text, "a");
  EXPECT_EQ(met.stop, 0u);
  EXPECT_EQ(matcher.push("more").text, "");
  EXPECT_EQ(matcher.finish(), "");
}

TEST(StopStrings, RefusesEmptyAndInvalidOnes) {
  EXPECT_THROW(StopStrings(std::vector<std::string>{""}), Error);
  EXPECT_THROW(StopStrings(std::vector<std::string>{"\x80"}), Error);
}

}  // namespace
}  // namespace hearth::sample
