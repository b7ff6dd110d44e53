// Means with their standard errors, medians, quantiles.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace hearth::evaluate {

// Sums as it goes; the error is the sample's standard deviation over sqrt(n).
struct Mean {
  double sum = 0, squares = 0;
  std::size_t count = 0;

  void add(double value) {
    sum += value;
    squares += value * value;
    ++count;
  }
  double value() const { return count ? sum / double(count) : 0; }
  double error() const {
    if (count < 2) return 0;
    const double variance = std::max(0.0, squares / double(count) - value() * value());
    return std::sqrt(variance / double(count - 1));
  }
};

// The value below which a share of the values lies, between its two neighbours where it falls between; 0 of none.
inline double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double place = share * double(values.size() - 1);
  const auto low = std::size_t(place);
  const std::size_t high = std::min(low + 1, values.size() - 1);
  return values[low] + (place - double(low)) * (values[high] - values[low]);
}
inline double median(std::vector<double> values) {
  return quantile(std::move(values), 0.5);
}

}  // namespace hearth::evaluate
