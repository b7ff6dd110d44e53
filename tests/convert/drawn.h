// Checkpoints whose weights are drawn from their names: the same everywhere, without being kept.
#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "files.h"

namespace hearth::convert::tests {

// Vectors around 1, biases around 0, matrices that keep the size of what passes through. [splitmix64]
inline std::vector<float> drawn(std::string_view name, const std::vector<std::uint64_t>& shape) {
  std::uint64_t state = 0xcbf29ce484222325;
  for (const char c : name) state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  std::size_t count = 1;
  for (const std::uint64_t size : shape) count *= size;
  const bool bias = name.ends_with(".bias"), vector = shape.size() < 2;
  const double spread = bias ? 0.2 : vector ? 0.3 : std::sqrt(3.0 / static_cast<double>(shape.back()));
  std::vector<float> values(count);
  for (float& value : values) {
    std::uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    const double uniform = static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
    value = static_cast<float>((vector && !bias) + spread * (2 * uniform - 1));
  }
  return values;
}

// {"config", "tensors": {NAME: shape}} as a folder.
inline void save_drawn(const std::filesystem::path& folder, const nlohmann::json& spec) {
  SafetensorsImage image;
  for (const auto& [name, shape] : spec.at("tensors").items())
    image.add(name, "F32", shape, raw(drawn(name, shape.get<std::vector<std::uint64_t>>())));
  save(folder / "config.json", spec.at("config").dump());
  save(folder / "model.safetensors", image.image());
}

}  // namespace hearth::convert::tests
