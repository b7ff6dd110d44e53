// Types under a budget of bytes: each tensor gets the bits that its own measured share of the damage is worth.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "compress/calibration.h"
#include "compress/importance.h"
#include "tensor/type.h"

namespace hearth::compress {

// What one tensor may become, and at what price.
struct Choice {
  tensor::Type type;
  std::uint64_t bytes;
  double damage;  // to the model, in nats of divergence, were this tensor the only one
};

// One choice for each tensor such that the sum of damage is least under the budget; all must have at least one. Empty
// where even the smallest do not fit.
std::vector<std::size_t> allocate(std::span<const std::vector<Choice>> tensors, std::uint64_t budget);

// Measures on the calibration text what rounding each tensor does to the model's predictions, and allocates. `fixed`
// holds, by tensor, types that are decided already (overrides). Throws unsupported where the budget is too small,
// saying what would do. A working copy of the model stands in `folder` meanwhile.
std::vector<tensor::Type> types_for_budget(const gguf::File& file, std::uint64_t file_bytes,
                                           std::span<const std::optional<tensor::Type>> fixed,
                                           const Calibration& calibration, const Importance& importance,
                                           ThreadPool& pool, const std::filesystem::path& folder,
                                           const std::function<bool(std::size_t, std::size_t)>& progress = {});

}  // namespace hearth::compress
