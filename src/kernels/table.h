// One instruction set's arithmetic.
#pragma once

namespace hearth::kernels {

struct EncodeKernels;
struct MatmulKernels;
struct VectorKernels;

struct Table {
  const char* name;  // "generic", "avx2", "avx512" and so on
  const MatmulKernels* matmul;
  const VectorKernels* vectors;
  const EncodeKernels* encoders;
};

}  // namespace hearth::kernels
