#include "kernels/body/encode_kernels.h"

namespace hearth::kernels {

extern const EncodeKernels avx2_encode;
const EncodeKernels avx2_encode = encode_kernels(tensor::Formats{});

}  // namespace hearth::kernels
