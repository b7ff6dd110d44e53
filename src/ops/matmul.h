// y = x W^T over weights in their file's own format; activations are quantised once for all products of a call.
#pragma once

#include <span>

#include "base/thread_pool.h"
#include "kernels/matmul_kernels.h"
#include "tensor/view.h"

namespace hearth::ops {

using kernels::Care;
using kernels::is_measured;

struct Product {
  tensor::Matrix weight;        // [outputs, inputs]
  tensor::Rows output;          // [tokens, outputs]; written, or added to when `accumulate`
  const float* bias = nullptr;  // [outputs], added
  bool accumulate = false;
};

// x [tokens, inputs]. All products share x, and run as one parallel region. Integer formats multiply with x quantised
// to int8, int16 or (AMX) bfloat16; F16 and BF16 with x in bfloat16, int16 or float32; F32 in float32 throughout. Each
// output element is computed by one thread in a fixed order: the result does not depend on the number of threads.
// `care` may have x rounded less, at the price of speed: what a prompt's answer depends on, and everybody's where
// results are measured. In rough products weights of 8 bits may be taken with 6, those of IQ4 in others too (AVX2).
void matmul(ThreadPool& pool, tensor::ConstRows x, std::span<const Product> products, Care care = Care::nobody);
inline void matmul(ThreadPool& pool, tensor::ConstRows x, const tensor::Matrix& weight, tensor::Rows y) {
  const Product product{.weight = weight, .output = y};
  matmul(pool, x, {&product, 1});
}

// Up to so many tokens read the weights as they stand, at little more than the price of one; a token's results do not
// depend on how many there are (of floats: but for their last bits).
std::size_t few_tokens();

}  // namespace hearth::ops
