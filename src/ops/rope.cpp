#include "ops/rope.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "kernels/kernels.h"
#include "ops/parallel.h"

namespace hearth::ops {

namespace {

constexpr std::size_t most_pairs = 512;  // their angles stand on the stack; heads are 256 wide at most in known models

// The (fractional) pair that turns `rotations` times within the original context. [YaRN, equation 17]
double pair_of_rotations(const RopeOptions& options, double rotations) {
  return static_cast<double>(options.dimensions) *
         std::log(options.original_context / (rotations * 2 * std::numbers::pi)) /
         (2 * std::log(options.frequency_base));
}

// How far each pair keeps its own frequency: 1 up to the pair of beta_fast, 0 from the pair of beta_slow on.
// [YaRN, section 3.2]
struct Ramp {
  double low, high;
  explicit Ramp(const RopeOptions& options)
      : low(std::max(0.0, std::floor(pair_of_rotations(options, options.beta_fast)))),
        high(std::min(static_cast<double>(options.dimensions - 1),
                      std::ceil(pair_of_rotations(options, options.beta_slow)))) {}
  double at(std::size_t pair) const {
    return 1 - std::clamp((static_cast<double>(pair) - low) / std::max(0.001, high - low), 0.0, 1.0);
  }
};

}  // namespace

Rope::Rope(const RopeOptions& options) : options_(options), frequencies_(options.dimensions / 2) {
  if (options.dimensions % 2 != 0 || frequencies_.size() > most_pairs)
    throw Error(Code::unsupported, fmt::format("rotary embedding of {} dimensions", options.dimensions), {},
                fmt::format("even numbers up to {} are supported", 2 * most_pairs));
  HEARTH_CHECK(options.frequency_factors.empty() || options.frequency_factors.size() == frequencies_.size());
  const bool stretched = options.scaling != RopeScaling::none;
  const bool extended = options.scaling == RopeScaling::yarn && options.extension_factor != 0;
  if (extended) magnitude_ = 1 + 0.1 * std::log(options.factor);
  if (options.scaling == RopeScaling::yarn) magnitude_ *= options.attention_factor;
  for (std::size_t i = 0; i < frequencies_.size(); ++i) {
    const double own = std::pow(static_cast<double>(options.frequency_base),
                                -2.0 * static_cast<double>(i) / static_cast<double>(options.dimensions)) /
                       (options.frequency_factors.empty() ? 1.0 : options.frequency_factors[i]);
    const double kept = extended ? Ramp(options).at(i) * options.extension_factor : 0;
    frequencies_[i] = stretched ? own / options.factor * (1 - kept) + own * kept : own;
  }
  options_.frequency_factors = {};  // applied; the caller's memory may go
}

void Rope::forward(ThreadPool& pool, tensor::Rows x, std::size_t heads, std::span<const std::int32_t> positions) const {
  rotate(pool, x, heads, positions, 1);
}

void Rope::backward(ThreadPool& pool, tensor::Rows dx, std::size_t heads,
                    std::span<const std::int32_t> positions) const {
  rotate(pool, dx, heads, positions, -1);
}

void Rope::rotate(ThreadPool& pool, tensor::Rows x, std::size_t heads, std::span<const std::int32_t> positions,
                  double direction) const {
  const auto& vectors = kernels::vectors();
  const auto turn = options_.pairs_adjacent ? vectors.rotate_pairs : vectors.rotate_halves;
  const std::size_t half = frequencies_.size(), width = x.width / heads;
  HEARTH_CHECK(2 * half <= width);
  for_rows(pool, x.count, 40 + x.width / 6, [&](std::size_t begin, std::size_t end) {
    std::array<float, most_pairs> cosines, sines;
    for (std::size_t i = begin; i < end; ++i) {
      vectors.rope_angles(direction * positions[i], frequencies_.data(), magnitude_, half, cosines.data(),
                          sines.data());
      for (std::size_t head = 0; head < heads; ++head)
        turn(x.row(i) + head * width, cosines.data(), sines.data(), half);
    }
  });
}

}  // namespace hearth::ops
