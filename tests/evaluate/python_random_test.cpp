#include "evaluate/python_random.h"

#include <gtest/gtest.h>

namespace hearth::evaluate {
namespace {

using Places = std::vector<std::size_t>;

// Printed by Python 3.11: r = random.Random(seed); r.sample(range(n), k) ...
TEST(PythonRandom, DrawsWhatPythonDraws) {
  PythonRandom random(1234);
  EXPECT_EQ(random.sample(1838, 6), (Places{1593, 902, 239, 15, 185, 1652}));
  EXPECT_EQ(random.sample(1838, 6), (Places{1192, 71, 1375, 1419, 171, 201}));
  EXPECT_EQ(random.sample(1838, 6), (Places{1569, 726, 484, 35, 63, 1615}));
  EXPECT_EQ(random.sample(10, 4), (Places{0, 5, 7, 4}));  // from a pool
  PythonRandom large((std::uint64_t{1} << 40) | 7);
  EXPECT_EQ(large.sample(100, 20),
            (Places{78, 95, 81, 73, 90, 60, 32, 16, 66, 48, 92, 46, 50, 56, 57, 47, 28, 96, 76, 23}));
}

}  // namespace
}  // namespace hearth::evaluate
