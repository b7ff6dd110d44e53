#include "evaluate/python_random.h"

#include <bit>
#include <cmath>
#include <numeric>
#include <unordered_set>

namespace hearth::evaluate {

// The Mersenne twister, seeded by a key of 32-bit words. [Matsumoto and Nishimura 1998, init_by_array]
PythonRandom::PythonRandom(std::uint64_t seed) {
  std::vector<std::uint32_t> key{std::uint32_t(seed)};
  if (seed >> 32) key.push_back(std::uint32_t(seed >> 32));
  const auto mixed = [&](std::size_t i) { return state_[i] ^ (state_[i] >> 30); };
  state_[0] = 19650218;
  for (std::size_t i = 1; i < words; ++i) state_[i] = 1812433253u * mixed(i - 1) + std::uint32_t(i);
  std::size_t i = 1;
  const auto advance = [&] {
    if (++i < words) return;
    state_[0] = state_[words - 1];
    i = 1;
  };
  for (std::size_t k = 0; k < words; ++k) {
    const std::size_t j = k % key.size();
    state_[i] = (state_[i] ^ (mixed(i - 1) * 1664525u)) + key[j] + std::uint32_t(j);
    advance();
  }
  for (std::size_t k = 1; k < words; ++k) {
    state_[i] = (state_[i] ^ (mixed(i - 1) * 1566083941u)) - std::uint32_t(i);
    advance();
  }
  state_[0] = 0x80000000u;
}

std::uint32_t PythonRandom::next() {
  if (used_ == words) {
    for (std::size_t i = 0; i < words; ++i) {
      const std::uint32_t pair = (state_[i] & 0x80000000u) | (state_[(i + 1) % words] & 0x7fffffffu);
      state_[i] = state_[(i + 397) % words] ^ (pair >> 1) ^ (pair & 1 ? 0x9908b0dfu : 0u);
    }
    used_ = 0;
  }
  std::uint32_t word = state_[used_++];
  word ^= word >> 11;
  word ^= (word << 7) & 0x9d2c5680u;
  word ^= (word << 15) & 0xefc60000u;
  return word ^ (word >> 18);
}

std::size_t PythonRandom::below(std::size_t limit) {
  const int bits = int(std::bit_width(limit));  // data sets have fewer than 2^32 rows
  std::size_t drawn = limit;
  while (drawn >= limit) drawn = next() >> (32 - bits);
  return drawn;
}

std::vector<std::size_t> PythonRandom::sample(std::size_t population, std::size_t count) {
  std::vector<std::size_t> result;
  double set_size = 21;
  if (count > 5) set_size += std::pow(4.0, std::ceil(std::log(double(count) * 3) / std::log(4.0)));
  if (double(population) <= set_size) {
    std::vector<std::size_t> pool(population);
    std::iota(pool.begin(), pool.end(), 0);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t j = below(population - i);
      result.push_back(pool[j]);
      pool[j] = pool[population - i - 1];
    }
    return result;
  }
  std::unordered_set<std::size_t> selected;
  while (result.size() < count) {
    const std::size_t j = below(population);
    if (selected.insert(j).second) result.push_back(j);
  }
  return result;
}

}  // namespace hearth::evaluate
