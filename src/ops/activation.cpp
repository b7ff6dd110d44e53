#include "ops/activation.h"

#include <algorithm>

#include "base/error.h"
#include "kernels/kernels.h"
#include "ops/parallel.h"

namespace hearth::ops {

namespace {

static_assert(static_cast<int>(Activation::silu) == static_cast<int>(kernels::Function::silu));
static_assert(static_cast<int>(Activation::relu_squared) == static_cast<int>(kernels::Function::relu_squared));
std::size_t index(Activation f) {
  return static_cast<std::size_t>(f);
}

}  // namespace

void activate(ThreadPool& pool, Activation f, tensor::Rows x) {
  const auto apply = kernels::vectors().activate[index(f)];
  for_rows(pool, x.count, x.width / 4, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) apply(x.row(i), x.width);
  });
}

void activate_gated(ThreadPool& pool, Activation f, tensor::Rows gate, tensor::ConstRows up) {
  const auto apply = kernels::vectors().activate_gated[index(f)];
  for_rows(pool, gate.count, gate.width / 4, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) apply(gate.row(i), up.row(i), gate.width);
  });
}

void add(ThreadPool& pool, tensor::Rows y, tensor::ConstRows x, float scale) {
  const auto apply = kernels::vectors().add;
  for_rows(pool, y.count, y.width / 12, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) apply(y.row(i), x.row(i), scale, y.width);
  });
}

void scale(ThreadPool& pool, tensor::Rows x, float factor) {
  const auto apply = kernels::vectors().scale;
  for_rows(pool, x.count, x.width / 16, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) apply(x.row(i), factor, x.width);
  });
}

void softcap(ThreadPool& pool, tensor::Rows x, float cap) {
  const auto apply = kernels::vectors().softcap;
  for_rows(pool, x.count, x.width / 4, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) apply(x.row(i), cap, x.width);
  });
}

void softmax(ThreadPool& pool, tensor::Rows x) {
  const auto apply = kernels::vectors().softmax;
  for_rows(pool, x.count, x.width / 4, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) apply(x.row(i), x.width);
  });
}

void log_softmax(ThreadPool& pool, tensor::Rows x) {
  const auto apply = kernels::vectors().log_softmax;
  for_rows(pool, x.count, x.width / 3, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) apply(x.row(i), x.width);
  });
}

float maximum(std::span<const float> x) {
  return kernels::vectors().maximum(x.data(), x.size());
}

void add_exponentials(ThreadPool& pool, tensor::ConstRows x, std::span<ExponentialSum> sums) {
  HEARTH_CHECK(sums.size() == x.count);
  const kernels::VectorKernels& vectors = kernels::vectors();
  for_rows(pool, x.count, x.width / 4, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      ExponentialSum& to = sums[i];
      const float maximum = std::max(to.maximum, vectors.maximum(x.row(i), x.width));
      if (!std::isfinite(maximum)) continue;  // nothing but minus infinities so far
      to.sum = to.sum * std::exp(double(to.maximum) - double(maximum)) +
               double(vectors.exponential_sum(x.row(i), maximum, x.width));
      to.maximum = maximum;
    }
  });
}

}  // namespace hearth::ops
