// Activations as int8: each token a record of values, with a scale for each 32 columns, and sums that let weights be
// unsigned or have minimums. Unnamed: each instruction set has its own copy.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hearth::kernels {
namespace {

constexpr std::size_t group_columns = 256;  // of a block of the formats with the largest

constexpr std::size_t round_up(std::size_t count, std::size_t to) {
  return (count + to - 1) / to * to;
}

// Of a token: whole lines, an odd number of them, so that tokens do not meet in the same sets of a cache.
constexpr std::size_t record_of(std::size_t bytes) {
  return (round_up(bytes, 64) / 64 | 1) * 64;
}

// value = scale * code. What a product would read past the last column is zero.
struct Int8Rows {
  std::byte* base;
  std::size_t scales_at, words_at, sums32_at, sums16_at, record;

  Int8Rows(const std::byte* packed, std::size_t columns) : base(const_cast<std::byte*>(packed)) {
    const std::size_t groups = round_up(columns / 32, 16);
    scales_at = round_up(columns, group_columns);
    words_at = scales_at + groups * sizeof(float);
    sums32_at = words_at + groups * 2 * sizeof(std::int16_t);
    sums16_at = sums32_at + groups * sizeof(float);
    record = record_of(sums16_at + round_up(columns / 16, 16) * sizeof(float));
  }
  std::int8_t* values(std::size_t token) const { return reinterpret_cast<std::int8_t*>(base + token * record); }
  float* scales(std::size_t token) const { return reinterpret_cast<float*>(base + token * record + scales_at); }
  // four times the sum of 16 columns' codes
  std::int16_t* words(std::size_t token) const {
    return reinterpret_cast<std::int16_t*>(base + token * record + words_at);
  }
  // scale * the sum of the codes of each `columns` columns
  template <std::size_t columns>
  float* sums(std::size_t token) const {
    static_assert(columns == 32 || columns == 16);
    return reinterpret_cast<float*>(base + token * record + (columns == 32 ? sums32_at : sums16_at));
  }
};

}  // namespace
}  // namespace hearth::kernels
