// The encoders' table, compiled once for each instruction set: tensor/encode/lanes.h takes the widest vectors there
// are.
#pragma once

#include "kernels/encode_kernels.h"
#include "tensor/encode/encoders.h"
#include "tensor/formats/formats.h"

namespace hearth::kernels {
namespace {

template <class... Format>
constexpr EncodeKernels encode_kernels(tensor::FormatList<Format...>) {
  EncodeKernels kernels{};
  ((kernels.encode[std::size_t(Format::type)] = tensor::encode_as<Format>), ...);
  return kernels;
}

}  // namespace
}  // namespace hearth::kernels
