// What a pruning leaves of a model. For this room only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "compress/calibration.h"
#include "compress/importance.h"
#include "compress/prune.h"
#include "gguf/file.h"

namespace hearth::compress {

using Indices = std::vector<std::uint32_t>;

struct PrunedTensor {
  const gguf::Tensor* source;
  std::string name;       // in the new file
  Indices rows, columns;  // that stay; empty: all
  // With these, of each row the `zeros` of each `window` neighbours whose magnitude times factor is least become zero;
  // a window of 0 is the whole row.
  std::vector<float> factors;  // [columns]
  std::size_t zeros = 0, window = 0;
};

struct PrunePlan {
  gguf::Metadata metadata;
  std::vector<PrunedTensor> tensors;
  std::vector<std::size_t> layers_dropped;
};

struct PruneInput {
  const gguf::File& file;
  const Calibration& calibration;
  ThreadPool& pool;
  const PruneOptions& options;
  std::function<bool(std::size_t, std::size_t)> progress;

  CalibrationOptions chunks() const { return {options.context, options.chunks ? options.chunks : default_chunks}; }
};

PrunePlan plan_depth(const PruneInput& input);
PrunePlan plan_width(const PruneInput& input);
PrunePlan plan_masks(const PruneInput& input);  // wanda, wanda24

}  // namespace hearth::compress
