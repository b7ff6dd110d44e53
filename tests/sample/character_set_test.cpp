#include "sample/character_set.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace hearth::sample {
namespace {

TEST(CharacterSet, RangesThatTouchBecomeOne) {
  CharacterSet set;
  set.add('d', 'f');
  set.add('a', 'b');
  set.add('h', 'z');
  EXPECT_EQ(set.ranges().size(), 3u);
  set.add('c', 'c');
  set.add('g', 'g');
  EXPECT_EQ(set, (CharacterSet{{'a', 'z'}}));
  set.add('m', 'n');
  EXPECT_EQ(set.ranges().size(), 1u);
}

TEST(CharacterSet, OperationsAreThoseOfSets) {
  std::mt19937 random(1);
  const auto some = [&] {
    CharacterSet set;
    for (int i = 0; i < 5; ++i) {
      const char32_t first = char32_t(random()) % 60;
      set.add(first, first + char32_t(random()) % 8);
    }
    if (char32_t(random()) % 2) set.add(0x10fff0, last_character);
    return set;
  };
  for (int i = 0; i < 200; ++i) {
    const CharacterSet a = some(), b = some();
    CharacterSet either = a;
    either.add(b);
    for (char32_t c : {0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 60, 66, 67, 68, 0x10fff0, 0x10ffff}) {
      EXPECT_EQ(either.contains(c), a.contains(c) || b.contains(c));
      EXPECT_EQ(a.common(b).contains(c), a.contains(c) && b.contains(c));
      EXPECT_EQ(a.without(b).contains(c), a.contains(c) && !b.contains(c));
      EXPECT_EQ(a.negated().contains(c), !a.contains(c));
    }
    EXPECT_EQ(a.negated().negated(), a);
  }
}

TEST(CharacterSet, Utf8SequencesWriteExactlyItsCharacters) {
  std::mt19937 random(2);
  for (int i = 0; i < 30; ++i) {
    CharacterSet set;
    for (int n = 0; n < 3; ++n) {
      const char32_t first = char32_t(random()) % (random() % 2 ? 0x3000 : last_character);
      set.add(first, std::min<char32_t>(last_character, first + char32_t(random()) % 0x9000));
    }
    const auto sequences = utf8_sequences(set);
    const auto written = [&](const std::string& bytes) {
      int times = 0;
      for (const ByteSequence& s : sequences) {
        bool fits = s.size() == bytes.size();
        for (std::size_t b = 0; fits && b < s.size(); ++b)
          fits = s[b].first <= std::uint8_t(bytes[b]) && std::uint8_t(bytes[b]) <= s[b].last;
        times += fits;
      }
      return times;
    };
    for (char32_t c = 0; c <= last_character; c += 1 + char32_t(random()) % 97) {
      if (!is_character(c)) continue;
      std::string bytes;
      append_utf8(bytes, c);
      std::size_t at = 0;
      ASSERT_EQ(take_character(bytes, at), c);
      ASSERT_EQ(at, bytes.size());
      ASSERT_EQ(written(bytes), set.contains(c) ? 1 : 0) << std::hex << unsigned(c);
    }
    EXPECT_EQ(written("\xed\xa0\x80"), 0) << "a surrogate";
    EXPECT_EQ(written("\xc0\x80"), 0) << "an overlong form";
  }
}

}  // namespace
}  // namespace hearth::sample
