// One instruction set's arithmetic.
#pragma once

namespace hearth::kernels {

struct EncodeKernels;
struct MatmulKernels;
struct VectorKernels;

struct Table {
  const char* name;  // "generic", "avx2", "avx512"
  const MatmulKernels* matmul;
  const VectorKernels* vectors;
  const EncodeKernels* encoders;
};

}  // namespace hearth::kernels
