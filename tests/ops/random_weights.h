// Random weights in any format: every bit of the codes used, scales of an ordinary size.
#pragma once

#include <cstring>
#include <random>
#include <vector>

#include "tensor/formats/formats.h"
#include "tensor/view.h"

namespace hearth::tests {

template <class Format>
std::vector<std::byte> random_blocks(std::size_t count, std::mt19937& random) {
  std::vector<Format> blocks(count);
  std::uniform_real_distribution<float> size(0.01f, 0.02f);
  std::normal_distribution<float> normal;
  for (Format& block : blocks) {
    if constexpr (Format::weights == 1) {
      const float value = normal(random);
      if constexpr (Format::type == tensor::Type::f32) block.value = value;
      if constexpr (Format::type == tensor::Type::f16) block.value = tensor::float_to_half(value);
      if constexpr (Format::type == tensor::Type::bf16) block.value = tensor::float_to_bfloat(value);
    } else {
      for (std::size_t i = 0; i < sizeof block; ++i)
        reinterpret_cast<unsigned char*>(&block)[i] = static_cast<unsigned char>(random());
      if constexpr (requires { block.exponent; })
        block.exponent = static_cast<std::uint8_t>(118 + random() % 3);
      else
        block.scale = tensor::float_to_half(size(random));
      if constexpr (requires { block.minimum; })  // so that weights are about as often negative as positive
        block.minimum = tensor::float_to_half(Format::weights == 32 ? -12 * size(random) : 6 * size(random));
    }
  }
  std::vector<std::byte> bytes(count * sizeof(Format));
  std::memcpy(bytes.data(), blocks.data(), bytes.size());
  return bytes;
}

template <class... Format>
std::vector<std::byte> random_weights(tensor::FormatList<Format...>, tensor::Type type, std::size_t count,
                                      std::mt19937& random) {
  std::vector<std::byte> bytes;
  ((Format::type == type ? void(bytes = random_blocks<Format>(count / Format::weights, random)) : void()), ...);
  return bytes;
}

// Every byte the same, but for scales of an ordinary size: codes, group scales and signs all at one end.
template <class... Format>
std::vector<std::byte> extreme_weights(tensor::FormatList<Format...>, tensor::Type type, std::size_t count, int byte) {
  std::vector<std::byte> bytes;
  const auto fill = [&]<class F>() {
    std::vector<F> blocks(count / F::weights);
    std::memset(static_cast<void*>(blocks.data()), byte, blocks.size() * sizeof(F));
    for (F& block : blocks) {
      if constexpr (requires { block.exponent; }) block.exponent = 120;
      if constexpr (requires { block.scale; }) block.scale = tensor::float_to_half(0.01f);
      if constexpr (requires { block.minimum; }) block.minimum = tensor::float_to_half(0.02f);
    }
    bytes.resize(blocks.size() * sizeof(F));
    std::memcpy(bytes.data(), blocks.data(), bytes.size());
  };
  ((Format::type == type ? fill.template operator()<Format>() : void()), ...);
  return bytes;
}

// Gives a block a scale.
template <class... Format>
void set_scale(tensor::FormatList<Format...>, tensor::Type type, std::byte* block, std::uint16_t half) {
  const auto set = [&]<class F>() {
    F all;
    std::memcpy(static_cast<void*>(&all), block, sizeof all);
    if constexpr (requires { all.scale; }) all.scale = half;
    std::memcpy(block, &all, sizeof all);
  };
  ((Format::type == type ? set.template operator()<Format>() : void()), ...);
}

// `count` weights, a whole number of blocks.
inline std::vector<std::byte> random_weights(tensor::Type type, std::size_t count, std::mt19937& random) {
  return random_weights(tensor::Formats{}, type, count, random);
}

}  // namespace hearth::tests
