// Of a model compressed in several ways, each part from the way that leaves its predictions best. What the errors of
// one part do to those of the others no closed form knows; a calibration text measures it.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <vector>

#include "compress/calibration.h"
#include "compress/importance.h"
#include "compress/quantize.h"
#include "gguf/file.h"

namespace hearth::compress {

struct Selection {
  std::vector<std::size_t> candidate;  // by tensor
  double loss_before = 0, loss = 0;    // in nats a token: of the first candidate, of what was selected
};

// All candidates hold the same tensors in the same formats. Begins with the first; then, from the first layer to the
// last, takes those parts of the others (matrices of a layer that share their input) that lower the loss on the text's
// chunks after the first `options.chunks`, which other methods calibrate on (the last chunks, where it has no more). A
// working copy stands in `folder` meanwhile.
Selection select(std::span<const gguf::File> candidates, const Calibration& calibration, ThreadPool& pool,
                 const std::filesystem::path& folder, CalibrationOptions options,
                 const std::function<bool(std::size_t, std::size_t)>& progress = {});

// See quantize: compresses by importance and by feedback, and selects.
QuantizeReport quantize_selected(const std::filesystem::path& in, const std::filesystem::path& out,
                                 const QuantizeOptions& options, const Progress& progress);

}  // namespace hearth::compress
