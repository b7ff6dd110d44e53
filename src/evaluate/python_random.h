// Python's random.Random, as far as lm-evaluation-harness draws few-shot examples with it: the same seed, the same
// ones.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace hearth::evaluate {

class PythonRandom {
 public:
  explicit PythonRandom(std::uint64_t seed);
  // random.sample(range(population), count); count is at most population.
  std::vector<std::size_t> sample(std::size_t population, std::size_t count);

 private:
  std::uint32_t next();
  std::size_t below(std::size_t limit);

  static constexpr std::size_t words = 624;
  std::array<std::uint32_t, words> state_;
  std::size_t used_ = words;
};

}  // namespace hearth::evaluate
