#include "tensor/float16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace hearth::tensor {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

// The value of a code from the definition: sign, exponent, fraction.
double half_value(std::uint16_t code) {
  const int exponent = code >> 10 & 31, fraction = code & 1023;
  const double magnitude = exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24);
  return code & 0x8000 ? -magnitude : magnitude;
}

TEST(Float16, EveryHalfIsItsValueAndComesBack) {
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const auto code = static_cast<std::uint16_t>(i);
    const float value = half_to_float(code);
    if ((code & 0x7c00) == 0x7c00) {
      if (code & 0x3ff) {
        ASSERT_TRUE(std::isnan(value)) << i;
        ASSERT_EQ(float_to_half(value) & 0x7e00, 0x7e00) << i;
      } else {
        ASSERT_EQ(value, code & 0x8000 ? -infinity : infinity);
        ASSERT_EQ(float_to_half(value), code);
      }
      continue;
    }
    ASSERT_EQ(double(value), half_value(code)) << i;
    ASSERT_EQ(std::signbit(value), bool(code & 0x8000)) << i;
    ASSERT_EQ(float_to_half(value), code) << i;
  }
}

// Between each two neighbours: the middle goes to the even one, what lies beside it to the nearer one.
TEST(Float16, HalvesRoundToNearestTiesToEven) {
  for (std::uint32_t i = 0; i < 0x7bff; ++i) {
    const auto low = static_cast<std::uint16_t>(i), high = static_cast<std::uint16_t>(i + 1);
    const float middle = static_cast<float>((half_value(low) + half_value(high)) / 2);
    for (const int sign : {0, 0x8000}) {
      const float at = sign ? -middle : middle;
      ASSERT_EQ(float_to_half(at), (i & 1 ? high : low) | sign) << i;
      ASSERT_EQ(float_to_half(std::nextafter(at, 0.0f)), low | sign) << i;
      ASSERT_EQ(float_to_half(std::nextafter(at, sign ? -infinity : infinity)), high | sign) << i;
    }
  }
}

TEST(Float16, HalvesAtTheEnds) {
  EXPECT_EQ(float_to_half(65519.996f), 0x7bff);
  EXPECT_EQ(float_to_half(65520.0f), 0x7c00);
  EXPECT_EQ(float_to_half(std::numeric_limits<float>::max()), 0x7c00);
  EXPECT_EQ(float_to_half(-std::numeric_limits<float>::max()), 0xfc00);
  EXPECT_EQ(float_to_half(0x1p-25f), 0);
  EXPECT_EQ(float_to_half(std::numeric_limits<float>::denorm_min()), 0);
  EXPECT_EQ(float_to_half(-0.0f), 0x8000);
  EXPECT_TRUE(std::isnan(half_to_float(float_to_half(std::numeric_limits<float>::quiet_NaN()))));
  EXPECT_TRUE(std::isnan(half_to_float(float_to_half(from_bits(0x7f800001)))));  // a payload only in the low bits
}

TEST(Float16, EveryBfloatComesBack) {
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const auto code = static_cast<std::uint16_t>(i);
    const float value = bfloat_to_float(code);
    ASSERT_EQ(bits_of(value), i << 16);
    ASSERT_EQ(float_to_bfloat(value), std::isnan(value) ? code | 0x40 : code) << i;
  }
}

TEST(Float16, BfloatsRoundToNearestTiesToEven) {
  std::mt19937 random(7);
  for (int i = 0; i < 200000; ++i) {
    const float value = from_bits(static_cast<std::uint32_t>(random()));
    if (!std::isfinite(value)) continue;
    const std::uint32_t low = bits_of(value) >> 16, rest = bits_of(value) & 0xffff;
    const std::uint32_t expected = rest > 0x8000 || (rest == 0x8000 && low & 1) ? low + 1 : low;
    ASSERT_EQ(float_to_bfloat(value), expected) << value;
  }
  EXPECT_EQ(float_to_bfloat(from_bits(0x3f808000)), 0x3f80);
  EXPECT_EQ(float_to_bfloat(from_bits(0x3f818000)), 0x3f82);
  EXPECT_EQ(float_to_bfloat(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_TRUE(std::isnan(bfloat_to_float(float_to_bfloat(from_bits(0x7f800001)))));
}

}  // namespace
}  // namespace hearth::tensor
