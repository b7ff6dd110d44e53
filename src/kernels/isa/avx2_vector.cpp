#include "kernels/body/vector_kernels.h"
#include "kernels/simd/avx2.h"

namespace hearth::kernels {

extern const VectorKernels avx2_vector;
const VectorKernels avx2_vector = vector_kernels<Avx2>();

}  // namespace hearth::kernels
