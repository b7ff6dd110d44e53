#include "sample/token_table.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace hearth::sample {
namespace {

// Every token found by walking the trie, with the bytes on its way.
std::map<Token, std::string> walk(const TokenTable& table) {
  std::map<Token, std::string> found;
  std::string path;
  for (const auto& node : table.trie()) {
    path.resize(node.depth);
    path += char(node.byte);
    for (auto i = node.first_token; i < node.last_token; ++i) found[table.trie_tokens()[i]] = path;
  }
  return found;
}

TEST(TokenTable, WalkFindsEveryTokenThatWrites) {
  const std::vector<std::string> texts = {"ab", "a",    "",         "b",   "abc",
                                          "a",  "\xc3", "\xc3\xa9", "end", std::string(1, '\0')};
  const TokenTable table(texts, {8});
  EXPECT_EQ(table.size(), 10u);
  EXPECT_EQ(table.longest(), 3u);
  EXPECT_EQ(table.text(4), "abc");
  EXPECT_TRUE(table.ends(8));
  EXPECT_FALSE(table.ends(1));
  std::map<Token, std::string> expected;
  for (std::size_t i = 0; i < texts.size(); ++i)
    if (!texts[i].empty() && i != 8) expected[Token(i)] = texts[i];
  EXPECT_EQ(walk(table), expected);
}

TEST(TokenTable, NextLeavesOutWhatIsBelow) {
  const TokenTable table({"a", "abc", "abd", "b", "ca"}, {});
  for (std::size_t i = 0; i < table.trie().size(); ++i) {
    const auto& node = table.trie()[i];
    std::size_t j = i + 1;
    while (j < table.trie().size() && table.trie()[j].depth > node.depth) ++j;
    EXPECT_EQ(node.next, j);
  }
}

TEST(TokenTable, MayBeEmpty) {
  const TokenTable table(std::vector<std::string>{}, {});
  EXPECT_EQ(table.size(), 0u);
  EXPECT_TRUE(table.trie().empty());
}

}  // namespace
}  // namespace hearth::sample
