// What a model asks of a machine.
#pragma once

#include <cstddef>

#include "gguf/file.h"
#include "model/hyperparameters.h"

namespace hearth::model {

struct Work {
  std::size_t weight_bytes = 0;        // read for every batch, however small (of a mixture, what one token uses)
  double multiply_adds = 0;            // by the weights, for every token
  double output_multiply_adds = 0;     // besides, for every token whose logits are wanted
  double attention_multiply_adds = 0;  // for every token, times the positions it looks at
};
Work work_of(const gguf::File& file, const Hyperparameters& numbers);

}  // namespace hearth::model
