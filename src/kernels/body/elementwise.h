// Loops over one contiguous row: activations, sums, softmax, norms.
#pragma once

#include "kernels/body/math.h"

namespace hearth::kernels {
namespace {

// Calls body(i, n) for each vector of a row: n is V::lanes, or what is left at the end.
template <class V, class Body>
void for_each_vector(std::size_t count, Body body) {
  std::size_t i = 0;
  for (; i + V::lanes <= count; i += V::lanes) body(i, V::lanes);
  if (i < count) body(i, count - i);
}

template <class V>
typename V::Float load(const float* p, std::size_t n) {
  return n == V::lanes ? V::load(p) : V::load_part(p, n);
}

template <class V>
void store(float* p, typename V::Float v, std::size_t n) {
  if (n == V::lanes)
    V::store(p, v);
  else
    V::store_part(p, v, n);
}

template <class V, class F>
void activate(float* x, std::size_t count) {
  for_each_vector<V>(count, [=](std::size_t i, std::size_t n) { store<V>(x + i, F::of(load<V>(x + i, n)), n); });
}

template <class V, class F>
void activate_gated(float* gate, const float* up, std::size_t count) {
  for_each_vector<V>(count, [=](std::size_t i, std::size_t n) {
    store<V>(gate + i, V::mul(F::of(load<V>(gate + i, n)), load<V>(up + i, n)), n);
  });
}

template <class V>
void add_scaled(float* y, const float* x, float scale, std::size_t count) {
  const auto factor = V::splat(scale);
  for_each_vector<V>(count, [=](std::size_t i, std::size_t n) {
    store<V>(y + i, V::fma(factor, load<V>(x + i, n), load<V>(y + i, n)), n);
  });
}

template <class V>
void scale_row(float* x, float factor, std::size_t count) {
  const auto f = V::splat(factor);
  for_each_vector<V>(count, [=](std::size_t i, std::size_t n) { store<V>(x + i, V::mul(f, load<V>(x + i, n)), n); });
}

template <class V>
void softcap_row(float* x, float cap, std::size_t count) {
  const auto c = V::splat(cap), inverse = V::splat(1.0f / cap);
  for_each_vector<V>(count, [=](std::size_t i, std::size_t n) {
    store<V>(x + i, V::mul(c, hyperbolic_tangent<V>(V::mul(inverse, load<V>(x + i, n)))), n);
  });
}

// Sums of squares of long rows stay accurate: four vectors of partial sums.
template <class V, class Term>
float sum_terms(std::size_t count, Term term) {
  typename V::Float partial[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
  std::size_t i = 0;
  for (; i + 4 * V::lanes <= count; i += 4 * V::lanes)
    for (std::size_t k = 0; k < 4; ++k) partial[k] = term(i + k * V::lanes, V::lanes, partial[k]);
  for (; i + V::lanes <= count; i += V::lanes) partial[0] = term(i, V::lanes, partial[0]);
  if (i < count) partial[1] = term(i, count - i, partial[1]);
  return V::sum(V::add(V::add(partial[0], partial[1]), V::add(partial[2], partial[3])));
}

// Independent chains, as many as hide an instruction's latency.
template <class V>
std::size_t multiply_add(std::size_t rounds) {
  constexpr std::size_t chains = 12;
  typename V::Float sums[chains];
  for (auto& sum : sums) sum = V::splat(1.0f);
  const auto factor = V::splat(0.999f), step = V::splat(0.001f);
  for (std::size_t i = 0; i < rounds; ++i)
    for (auto& sum : sums) sum = V::fma(sum, factor, step);
  float total = 0;
  for (const auto& sum : sums) total += V::sum(sum);
  return total > 0 ? rounds * chains * V::lanes : 0;  // always: so that the loop cannot be left out
}

template <class V>
float maximum_of_row(const float* x, std::size_t count) {
  float maximum = -__builtin_inff();
  auto largest = V::splat(maximum);
  std::size_t whole = 0;
  for (; whole + V::lanes <= count; whole += V::lanes) largest = V::max(largest, V::load(x + whole));
  maximum = V::maximum(largest);
  for (; whole < count; ++whole) maximum = x[whole] > maximum ? x[whole] : maximum;
  return maximum;
}

template <class V>
void softmax_row(float* x, std::size_t count) {
  const auto top = V::splat(maximum_of_row<V>(x, count));
  for_each_vector<V>(
      count, [=](std::size_t i, std::size_t n) { store<V>(x + i, exponential<V>(V::sub(load<V>(x + i, n), top)), n); });
  const float sum = sum_terms<V>(
      count, [=](std::size_t i, std::size_t n, typename V::Float acc) { return V::add(acc, load<V>(x + i, n)); });
  scale_row<V>(x, 1.0f / sum, count);
}

// The sum of exp(x - maximum).
template <class V>
float exponential_sum(const float* x, float maximum, std::size_t count) {
  const auto top = V::splat(maximum);
  return sum_terms<V>(count, [=](std::size_t i, std::size_t n, typename V::Float acc) {
    auto v = exponential<V>(V::sub(load<V>(x + i, n), top));
    if (n != V::lanes) {  // the lanes beyond the row are not part of it
      float rest[V::lanes];
      V::store(rest, v);
      v = V::load_part(rest, n);
    }
    return V::add(acc, v);
  });
}

template <class V>
void log_softmax_row(float* x, std::size_t count) {
  const float maximum = maximum_of_row<V>(x, count);
  const auto top = V::splat(maximum), log_sum = V::splat(__builtin_logf(exponential_sum<V>(x, maximum, count)));
  for_each_vector<V>(count, [=](std::size_t i, std::size_t n) {
    store<V>(x + i, V::sub(V::sub(load<V>(x + i, n), top), log_sum), n);
  });
}

template <class V>
void rms_norm_row(const float* x, const float* weight, float epsilon, std::size_t width, float* y) {
  const float squares = sum_terms<V>(width, [=](std::size_t i, std::size_t n, typename V::Float acc) {
    const auto v = load<V>(x + i, n);
    return V::fma(v, v, acc);
  });
  const auto factor = V::splat(1.0f / __builtin_sqrtf(squares / static_cast<float>(width) + epsilon));
  for_each_vector<V>(width, [=](std::size_t i, std::size_t n) {
    const auto v = V::mul(factor, load<V>(x + i, n));
    store<V>(y + i, weight ? V::mul(v, load<V>(weight + i, n)) : v, n);
  });
}

template <class V>
void layer_norm_row(const float* x, const float* weight, const float* bias, float epsilon, std::size_t width,
                    float* y) {
  const float mean = sum_terms<V>(width, [=](std::size_t i, std::size_t n,
                                             typename V::Float acc) { return V::add(acc, load<V>(x + i, n)); }) /
                     static_cast<float>(width);
  const auto center = V::splat(mean);
  const float squares = sum_terms<V>(width, [=](std::size_t i, std::size_t n, typename V::Float acc) {
    auto v = V::sub(load<V>(x + i, n), center);
    if (n != V::lanes) {  // the lanes beyond the row are not part of it
      float rest[V::lanes];
      V::store(rest, v);
      v = V::load_part(rest, n);
    }
    return V::fma(v, v, acc);
  });
  const auto factor = V::splat(1.0f / __builtin_sqrtf(squares / static_cast<float>(width) + epsilon));
  for_each_vector<V>(width, [=](std::size_t i, std::size_t n) {
    auto v = V::mul(factor, V::sub(load<V>(x + i, n), center));
    if (weight) v = V::mul(v, load<V>(weight + i, n));
    if (bias) v = V::add(v, load<V>(bias + i, n));
    store<V>(y + i, v, n);
  });
}

}  // namespace
}  // namespace hearth::kernels
