// Activations of the feed-forward part, element by element.
#pragma once

#include <cmath>
#include <limits>
#include <span>

#include "base/thread_pool.h"
#include "tensor/view.h"

namespace hearth::ops {

enum class Activation { silu, gelu_tanh, gelu_erf, relu, relu_squared };

// x = f(x)
void activate(ThreadPool& pool, Activation f, tensor::Rows x);
// gate = f(gate) * up: the gated feed-forward (SwiGLU, GeGLU). [arXiv 2002.05202]
void activate_gated(ThreadPool& pool, Activation f, tensor::Rows gate, tensor::ConstRows up);
// y += scale * x
void add(ThreadPool& pool, tensor::Rows y, tensor::ConstRows x, float scale = 1.0f);
void scale(ThreadPool& pool, tensor::Rows x, float factor);
// x = cap * tanh(x / cap)
void softcap(ThreadPool& pool, tensor::Rows x, float cap);
// In place, over each row; numerically safe.
void softmax(ThreadPool& pool, tensor::Rows x);
void log_softmax(ThreadPool& pool, tensor::Rows x);

float maximum(std::span<const float> x);

// The sum of exponentials of numbers that come piece by piece. [online softmax: arXiv 1805.02867]
struct ExponentialSum {
  float maximum = -std::numeric_limits<float>::infinity();
  double sum = 0;  // of exp(x - maximum)

  double log() const { return double(maximum) + std::log(sum); }
};
// sums[i] += exp(row i of x), summed over the row.
void add_exponentials(ThreadPool& pool, tensor::ConstRows x, std::span<ExponentialSum> sums);

}  // namespace hearth::ops
