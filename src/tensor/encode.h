// Weights to blocks.
#pragma once

#include "tensor/type.h"

namespace hearth::tensor {

// The function behind TypeInfo::encode; null where a format has no encoder.
decltype(TypeInfo::encode) encoder(Type type);

}  // namespace hearth::tensor
