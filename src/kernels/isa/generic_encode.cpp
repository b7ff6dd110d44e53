#include "kernels/body/encode_kernels.h"

namespace hearth::kernels {

extern const EncodeKernels generic_encode;
const EncodeKernels generic_encode = encode_kernels(tensor::Formats{});

}  // namespace hearth::kernels
