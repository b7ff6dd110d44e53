#include "sample/decimal.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace hearth::sample {

Decimal Decimal::parse(std::string_view text) {
  constexpr int most = 400;
  Decimal result;
  std::string_view left = text;
  const bool negative = left.starts_with('-');
  if (negative) left.remove_prefix(1);
  const std::size_t e = left.find_first_of("eE");
  int exponent = 0;
  if (e != left.npos) {
    std::string_view digits = left.substr(e + 1);
    if (digits.starts_with('+')) digits.remove_prefix(1);
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
    if (read.ec != std::errc{} || std::abs(exponent) > most)
      throw Error(Code::bad_input, fmt::format("a number beyond what can be followed: {}", text));
    left = left.substr(0, e);
  }
  const std::size_t point = std::min(left.find('.'), left.size());
  result.whole = left.substr(0, point);
  result.fraction = left.substr(std::min(point + 1, left.size()));
  for (; exponent > 0; --exponent) {
    result.whole += result.fraction.empty() ? '0' : result.fraction.front();
    if (!result.fraction.empty()) result.fraction.erase(0, 1);
  }
  for (; exponent < 0; ++exponent) {
    result.fraction.insert(result.fraction.begin(), result.whole.empty() ? '0' : result.whole.back());
    if (!result.whole.empty()) result.whole.pop_back();
  }
  result.whole.erase(0, std::min(result.whole.find_first_not_of('0'), result.whole.size()));
  result.fraction.erase(result.fraction.find_last_not_of('0') + 1);
  result.negative = negative && !result.zero();
  return result;
}

int compare(const Decimal& a, const Decimal& b) {
  if (a.negative != b.negative) return a.negative ? -1 : 1;
  if (a.negative) return compare(b.negated(), a.negated());
  if (a.whole.size() != b.whole.size()) return a.whole.size() < b.whole.size() ? -1 : 1;
  if (const int whole = a.whole.compare(b.whole)) return whole;
  return a.fraction.compare(b.fraction);
}

}  // namespace hearth::sample
