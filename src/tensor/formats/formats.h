// The list of formats: the table of types, the quantiser's menu, the inspector and the tests are made from it.
#pragma once

#include "tensor/formats/float.h"
#include "tensor/formats/iq4_nl.h"
#include "tensor/formats/iq4_xs.h"
#include "tensor/formats/mxfp4.h"
#include "tensor/formats/q2_k.h"
#include "tensor/formats/q3_k.h"
#include "tensor/formats/q4_0.h"
#include "tensor/formats/q4_1.h"
#include "tensor/formats/q4_k.h"
#include "tensor/formats/q5_0.h"
#include "tensor/formats/q5_1.h"
#include "tensor/formats/q5_k.h"
#include "tensor/formats/q6_k.h"
#include "tensor/formats/q8_0.h"

namespace hearth::tensor {

template <class... Format>
struct FormatList {};

// In the order of GGUF's numbers.
using Formats =
    FormatList<F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, Iq4_nl, Iq4_xs, Bf16, Mxfp4>;

}  // namespace hearth::tensor
