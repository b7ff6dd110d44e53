#include "kernels/body/vector_kernels.h"
#include "kernels/simd/avx512.h"

namespace hearth::kernels {

extern const VectorKernels avx512_vector;
const VectorKernels avx512_vector = vector_kernels<Avx512>();

}  // namespace hearth::kernels
