// What this machine does at best, measured now: the neighbours on a shared machine change it from minute to minute.
#pragma once

#include "engine/engine.h"

namespace hearth::evaluate {

struct Machine {
  double bandwidth = 0;   // bytes a second that all threads together read of the model's weights
  double arithmetic = 0;  // float32 multiplications with addition a second, all threads, data in registers
};

// Takes a fraction of a second.
Machine measure_machine(engine::Engine& engine);

}  // namespace hearth::evaluate
