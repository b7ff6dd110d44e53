#include "evaluate/machine.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <sstream>
#include <vector>

namespace {

using hearth::evaluate::share_in_large_pages;

const std::byte* at(std::uintptr_t address) {
  return reinterpret_cast<const std::byte*>(address);
}

// As Linux writes it: a file's mapping in two parts, an anonymous one, another file's.
constexpr const char* smaps =
    "7f0000000000-7f0000400000 r--s 00000000 fe:00 1   /m/model.gguf\n"
    "Size:               4096 kB\nRss:                4096 kB\nFilePmdMapped:      2048 kB\nVmFlags: rd mr me\n"
    "7f0000400000-7f0000800000 r--s 00400000 fe:00 1   /m/model.gguf\n"
    "Rss:                4096 kB\nFilePmdMapped:         0 kB\n"
    "7f0000800000-7f0000c00000 rw-p 00000000 00:00 0 \n"
    "Rss:                2048 kB\nAnonHugePages:      2048 kB\n"
    "7f0001000000-7f0001400000 r-xp 00000000 fe:00 2   /usr/lib/Rss: 99 kB\n"
    "Rss:                1000 kB\nFilePmdMapped:      1000 kB\n";

std::optional<double> share_of(std::initializer_list<std::uintptr_t> addresses) {
  std::vector<const std::byte*> places;
  for (const auto address : addresses) places.push_back(at(address));
  std::istringstream in(smaps);
  return share_in_large_pages(in, places);
}

TEST(Machine, TellsHowMuchOfAModelLiesInLargePages) {
  EXPECT_DOUBLE_EQ(share_of({0x7f0000000040}).value(), 0.5);
  EXPECT_DOUBLE_EQ(share_of({0x7f00003fffff, 0x7f0000400000}).value(), 0.25);
  EXPECT_DOUBLE_EQ(share_of({0x7f0000900000}).value(), 1);
  EXPECT_DOUBLE_EQ(share_of({0x7f0000400000, 0x7f0000800000}).value(), 2048.0 / 6144);
}

TEST(Machine, TellsNothingOfLargePagesWhereNothingIsResident) {
  EXPECT_FALSE(share_of({0x7f0000c00000}));  // the end of a mapping is outside
  EXPECT_FALSE(share_of({}));
  std::istringstream nothing("garbage\n: \nRss: many kB\n");
  const std::byte* const place = at(0x7f0000000040);
  EXPECT_FALSE(share_in_large_pages(nothing, {&place, 1}));
}

}  // namespace
