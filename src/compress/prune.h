// Makes a model smaller or sparser by leaving weights out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "compress/quantize.h"

namespace hearth::compress {

enum class Pruning {
  depth,   // whole layers, those that change the residual stream least [ShortGPT, arXiv 2403.03853]
  width,   // neurons of the feed-forward parts, those whose output is least [LLM-Pruner, Minitron: arXiv 2407.14679]
  wanda,   // single weights of each row, by magnitude times input; kept dense, as zeros [arXiv 2306.11695]
  wanda24  // likewise two of each four neighbours
};
std::string_view name(Pruning pruning);
Pruning find_pruning(std::string_view name);  // throws usage naming those there are

struct PruneOptions {
  Pruning pruning = Pruning::depth;
  double amount = 0.1;                    // the share of layers, neurons or weights that goes; wanda24 is always half
  std::filesystem::path calibration;      // a text
  std::size_t context = 512, chunks = 0;  // 0: 40 chunks, or what there is
  std::size_t threads = 0;
};

struct PruneReport {
  std::uint64_t weights_before = 0, weights_after = 0;  // those not left out or zero
  std::uint64_t bytes = 0;
  std::vector<std::size_t> layers_dropped;
  double seconds = 0;
};

// Writes `out` whole or not at all. What is changed is written as it was where it was F32, F16 or BF16, and as F16
// where it was compressed. Throws as quantize does; unsupported where the family's layers are not alike (depth).
PruneReport prune(const std::filesystem::path& in, const std::filesystem::path& out, const PruneOptions& options,
                  const Progress& progress = {});

}  // namespace hearth::compress
