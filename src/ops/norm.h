// Normalisation of rows.
#pragma once

#include "base/thread_pool.h"
#include "tensor/view.h"

namespace hearth::ops {

// y = weight * x / sqrt(mean(x * x) + epsilon), row by row; weight [width] may be null (all ones). In place where y is
// x. [arXiv 1910.07467]
void rms_norm(ThreadPool& pool, tensor::ConstRows x, const float* weight, float epsilon, tensor::Rows y);

// y = weight * (x - mean) / sqrt(variance + epsilon) + bias; weight and bias may be null. [arXiv 1607.06450]
void layer_norm(ThreadPool& pool, tensor::ConstRows x, const float* weight, const float* bias, float epsilon,
                tensor::Rows y);

// rms_norm or layer_norm of each head's slice of a row: x is [tokens, heads * width_of_head], weight [width_of_head].
void rms_norm_heads(ThreadPool& pool, tensor::Rows x, std::size_t heads, const float* weight, float epsilon);

}  // namespace hearth::ops
