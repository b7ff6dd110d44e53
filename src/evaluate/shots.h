// Few-shot: solved examples before each question, the same ones that lm-evaluation-harness draws.
#pragma once

#include <vector>

#include "evaluate/data_set.h"
#include "evaluate/task.h"

namespace hearth::evaluate {

// Puts `shots` examples of `training` (of `rows`, where it is empty) before every context of `examples`, which are the
// first of `rows`. Throws bad_input where there are too few, or naming the row that makes no example.
void add_shots(const Task& task, std::vector<Example>& examples, const std::vector<DataRow>& rows,
               const std::vector<DataRow>& training, std::size_t shots, std::uint64_t seed);

}  // namespace hearth::evaluate
