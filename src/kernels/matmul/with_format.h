// From a type to its format, of which each instruction set has its own: a list of formats ends with this.
#pragma once

#include "tensor/type.h"

namespace hearth::kernels {
namespace {

// Calls task.operator()<F>() with the format of a type.
template <class Task>
auto with_format(tensor::Type type, Task task) {
  using tensor::Type;
  switch (type) {
    case Type::f16:
      return task.template operator()<F16>();
    case Type::bf16:
      return task.template operator()<Bf16>();
    case Type::q4_0:
      return task.template operator()<Q4_0>();
    case Type::q4_1:
      return task.template operator()<Q4_1>();
    case Type::q5_0:
      return task.template operator()<Q5_0>();
    case Type::q5_1:
      return task.template operator()<Q5_1>();
    case Type::q8_0:
      return task.template operator()<Q8_0>();
    case Type::q2_k:
      return task.template operator()<Q2_K>();
    case Type::q3_k:
      return task.template operator()<Q3_K>();
    case Type::q4_k:
      return task.template operator()<Q4_K>();
    case Type::q5_k:
      return task.template operator()<Q5_K>();
    case Type::q6_k:
      return task.template operator()<Q6_K>();
    case Type::iq4_nl:
      return task.template operator()<Iq4_nl>();
    case Type::iq4_xs:
      return task.template operator()<Iq4_xs>();
    case Type::mxfp4:
      return task.template operator()<Mxfp4>();
    default:
      return task.template operator()<F32>();
  }
}

template <class F>
constexpr bool is_float = requires(const std::byte* row) {
  F::load(row, std::size_t{});
};

}  // namespace
}  // namespace hearth::kernels
