#include "kernels/body/encode_kernels.h"

namespace hearth::kernels {

extern const EncodeKernels avx512_encode;
const EncodeKernels avx512_encode = encode_kernels(tensor::Formats{});

}  // namespace hearth::kernels
