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

// What a model asks of a machine.
struct Work {
  std::size_t weight_bytes = 0;        // read for every batch, however small (of a mixture, what one token uses)
  double multiply_adds = 0;            // by the weights, for every token
  double output_multiply_adds = 0;     // besides, for every token whose logits are wanted
  double attention_multiply_adds = 0;  // for every token, times the positions it looks at
};
Work work_of(const model::Model& model);

}  // namespace hearth::evaluate
