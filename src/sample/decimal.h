// Numbers as they are written in decimal: exact, however long.
#pragma once

#include <string>
#include <string_view>

namespace hearth::sample {

struct Decimal {
  bool negative = false;
  std::string whole;     // digits without leading zeros: "" is 0
  std::string fraction;  // digits without trailing zeros

  // Reads a JSON number. Throws bad_input where its exponent is beyond 400.
  static Decimal parse(std::string_view text);
  bool zero() const noexcept { return whole.empty() && fraction.empty(); }
  Decimal negated() const { return {.negative = !negative && !zero(), .whole = whole, .fraction = fraction}; }
};

// Below 0, 0 or above it as a is less than b, the same, or more.
int compare(const Decimal& a, const Decimal& b);

}  // namespace hearth::sample
