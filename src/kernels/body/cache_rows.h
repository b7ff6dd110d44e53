// One position of one head as a cache keeps it: how a row is written, and how any part of it is read as floats.
#pragma once

#include "kernels/body/elementwise.h"

namespace hearth::kernels {
namespace {

template <class V>
struct F32Row {
  static void encode(const float* x, std::size_t width, std::byte* row) {
    __builtin_memcpy(row, x, width * sizeof(float));
  }
  static const float* at(const std::byte* row, std::size_t i) { return reinterpret_cast<const float*>(row) + i; }
  static typename V::Float load(const std::byte* row, std::size_t i) { return V::load(at(row, i)); }
  static typename V::Float load_part(const std::byte* row, std::size_t i, std::size_t n) {
    return V::load_part(at(row, i), n);
  }
};

template <class V>
struct F16Row {
  static void encode(const float* x, std::size_t width, std::byte* row) {
    auto* halves = reinterpret_cast<std::uint16_t*>(row);
    std::size_t i = 0;
    for (; i + V::lanes <= width; i += V::lanes) V::store_half(halves + i, V::load(x + i));
    for (; i < width; ++i) halves[i] = V::float_to_half(x[i]);
  }
  static const std::uint16_t* at(const std::byte* row, std::size_t i) {
    return reinterpret_cast<const std::uint16_t*>(row) + i;
  }
  static typename V::Float load(const std::byte* row, std::size_t i) { return V::load_half(at(row, i)); }
  static typename V::Float load_part(const std::byte* row, std::size_t i, std::size_t n) {
    std::uint16_t part[V::lanes] = {};
    for (std::size_t k = 0; k < n; ++k) part[k] = at(row, i)[k];
    return V::load_half(part);
  }
};

// Widths are whole blocks, and a block is whole vectors: the parts of a row are never asked for.
template <class V>
struct BlockRow {
  static constexpr std::size_t weights = 32;
  static typename V::Float scale_of(const std::byte* block) {
    std::uint16_t half;
    __builtin_memcpy(&half, block, sizeof half);
    return V::splat(V::half_to_float(half));
  }
  static void set_scale(std::byte* block, float scale) {
    const std::uint16_t half = V::float_to_half(scale);
    __builtin_memcpy(block, &half, sizeof half);
  }
};

// A half-precision scale, then 32 signed bytes: value = scale * code.  [GGUF type 8]
template <class V>
struct Q8Row : BlockRow<V> {
  static constexpr std::size_t bytes = 34;
  static void encode(const float* x, std::size_t width, std::byte* row) {
    for (; width; width -= 32, x += 32, row += bytes) {
      auto largest = V::zero();
      for (std::size_t i = 0; i < 32; i += V::lanes) largest = V::max(largest, V::abs(V::load(x + i)));
      const float scale = V::maximum(largest) / 127.0f;
      const auto inverse = V::splat(scale > 0 ? 1.0f / scale : 0.0f);
      BlockRow<V>::set_scale(row, scale);
      float codes[32];
      for (std::size_t i = 0; i < 32; i += V::lanes) V::store(codes + i, V::round(V::mul(inverse, V::load(x + i))));
      for (std::size_t i = 0; i < 32; ++i) row[2 + i] = static_cast<std::byte>(static_cast<std::int8_t>(codes[i]));
    }
  }
  static typename V::Float load(const std::byte* row, std::size_t i) {
    const std::byte* block = row + i / 32 * bytes;
    return V::mul(BlockRow<V>::scale_of(block), V::load_int8(reinterpret_cast<const std::int8_t*>(block + 2 + i % 32)));
  }
  static typename V::Float load_part(const std::byte* row, std::size_t i, std::size_t) { return load(row, i); }
};

// A half-precision scale, then 16 bytes: value i is the low half of byte i, value i + 16 the high half;
// value = scale * (code - 8).  [GGUF type 2]
template <class V>
struct Q4Row : BlockRow<V> {
  static constexpr std::size_t bytes = 18;
  static void encode(const float* x, std::size_t width, std::byte* row) {
    for (; width; width -= 32, x += 32, row += bytes) {
      float extreme = 0;  // the value farthest from zero gets code 0: -8 has no counterpart
      for (std::size_t i = 0; i < 32; ++i) extreme = __builtin_fabsf(x[i]) > __builtin_fabsf(extreme) ? x[i] : extreme;
      const float scale = extreme / -8.0f, inverse = scale != 0 ? 1.0f / scale : 0.0f;
      BlockRow<V>::set_scale(row, scale);
      const auto code = [=](float value) {
        const int c = static_cast<int>(value * inverse + 8.5f);
        return c > 15 ? 15 : c;
      };
      for (std::size_t i = 0; i < 16; ++i) row[2 + i] = static_cast<std::byte>(code(x[i]) | code(x[i + 16]) << 4);
    }
  }
  static typename V::Float load(const std::byte* row, std::size_t i) {
    const std::byte* block = row + i / 32 * bytes;
    const auto* codes = reinterpret_cast<const std::uint8_t*>(block + 2 + i % 16);
    const auto code = i % 32 < 16 ? V::load_low_nibbles(codes) : V::load_high_nibbles(codes);
    return V::mul(BlockRow<V>::scale_of(block), V::sub(code, V::splat(8.0f)));
  }
  static typename V::Float load_part(const std::byte* row, std::size_t i, std::size_t) { return load(row, i); }
};

template <class V, class Row>
void decode_row(const std::byte* row, std::size_t width, float* x) {
  for_each_vector<V>(width, [=](std::size_t i, std::size_t n) {
    store<V>(x + i, n == V::lanes ? Row::load(row, i) : Row::load_part(row, i, n), n);
  });
}

}  // namespace
}  // namespace hearth::kernels
