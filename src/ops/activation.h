// Activations of the feed-forward part, element by element.
#pragma once

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

}  // namespace hearth::ops
