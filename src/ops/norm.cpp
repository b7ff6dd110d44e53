#include "ops/norm.h"

#include "kernels/kernels.h"
#include "ops/parallel.h"

namespace hearth::ops {

void rms_norm(ThreadPool& pool, tensor::ConstRows x, const float* weight, float epsilon, tensor::Rows y) {
  const auto& vectors = kernels::vectors();
  for_rows(pool, x.count, x.width / 8, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) vectors.rms_norm(x.row(i), weight, epsilon, x.width, y.row(i));
  });
}

void layer_norm(ThreadPool& pool, tensor::ConstRows x, const float* weight, const float* bias, float epsilon,
                tensor::Rows y) {
  const auto& vectors = kernels::vectors();
  for_rows(pool, x.count, x.width / 6, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) vectors.layer_norm(x.row(i), weight, bias, epsilon, x.width, y.row(i));
  });
}

void rms_norm_heads(ThreadPool& pool, tensor::Rows x, std::size_t heads, const float* weight, float epsilon) {
  const auto& vectors = kernels::vectors();
  const std::size_t width = x.width / heads;
  for_rows(pool, x.count, x.width / 6, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i)
      for (float *head = x.row(i), *last = head + x.width; head != last; head += width)
        vectors.rms_norm(head, weight, epsilon, width, head);
  });
}

}  // namespace hearth::ops
