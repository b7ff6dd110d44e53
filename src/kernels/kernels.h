// The arithmetic of this processor: a table an instruction set, the best chosen at first use.
#pragma once

#include <span>
#include <string_view>

#include "kernels/encode_kernels.h"
#include "kernels/matmul_kernels.h"
#include "kernels/table.h"
#include "kernels/vector_kernels.h"

namespace hearth::kernels {

// Those this machine can run, best first, generic last.
std::span<const Table* const> available();
// The best, unless HEARTH_CPU in the environment names another, or `use` did.
const Table& active();
// Throws usage where the name is unknown or this machine cannot run it.
void use(std::string_view name);

inline const VectorKernels& vectors() {
  return *active().vectors;
}

}  // namespace hearth::kernels
