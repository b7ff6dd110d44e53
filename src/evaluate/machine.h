// What this machine does at best, measured now: the neighbours on a shared machine change it from minute to minute.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <optional>
#include <span>

#include "engine/engine.h"

namespace hearth::evaluate {

struct Machine {
  double bandwidth = 0;               // bytes a second that all threads together read of the model's weights
  std::optional<double> large_pages;  // the share of the weights in pages of 2 MB, where the system tells
  double arithmetic = 0;              // float32 multiplications with addition a second, all threads, data in registers
};

// Takes a fraction of a second.
Machine measure_machine(engine::Engine& engine);

// Of what is resident of the mappings in which any of `places` lies, the share mapped by large pages; none if nothing
// is. [proc_pid_smaps(5): FilePmdMapped, AnonHugePages]
std::optional<double> share_in_large_pages(std::istream& smaps, std::span<const std::byte* const> places);

}  // namespace hearth::evaluate
