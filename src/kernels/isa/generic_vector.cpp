#include "kernels/body/vector_kernels.h"
#include "kernels/simd/generic.h"

namespace hearth::kernels {

extern const VectorKernels generic_vector;
const VectorKernels generic_vector = vector_kernels<Generic>();

}  // namespace hearth::kernels
