// Functions of a vector: relative error about 1e-7 unless said otherwise. Coefficients are our own least-maximum fits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hearth::kernels {
namespace {

// Zero below -87.3 (where floats become subnormal), finite at the top: no infinities come out.
template <class V>
typename V::Float exponential(typename V::Float x) {
  using F = typename V::Float;
  const F lowest = V::splat(-87.33f);
  const F in = V::min(V::max(x, lowest), V::splat(88.37f));
  const F n = V::round(V::mul(in, V::splat(1.44269504f)));
  const F r = V::fma(n, V::splat(-1.42860677e-6f), V::fma(n, V::splat(-0.693145752f), in));  // ln 2 in two parts
  F p = V::fma(V::splat(0.0013814593f), r, V::splat(0.00836871745f));
  p = V::fma(p, r, V::splat(0.0416683882f));
  p = V::fma(p, r, V::splat(0.166665206f));
  p = V::fma(p, r, V::splat(0.499999934f));
  p = V::fma(p, r, V::splat(1.0f));
  p = V::fma(p, r, V::splat(1.0f));
  return V::where_less(x, lowest, V::zero(), V::scale_by_power(p, n));
}

// 1 / (1 + exp(-x))
template <class V>
typename V::Float logistic(typename V::Float x) {
  const auto one = V::splat(1.0f);
  return V::div(one, V::add(one, exponential<V>(V::sub(V::zero(), x))));
}

template <class V>
typename V::Float hyperbolic_tangent(typename V::Float x) {
  using F = typename V::Float;
  const F one = V::splat(1.0f), two = V::splat(2.0f);
  const F square = V::mul(x, x);
  F p = V::fma(V::splat(-0.00570499623f), square, V::splat(0.0206390965f));
  p = V::fma(p, square, V::splat(-0.0537397183f));
  p = V::fma(p, square, V::splat(0.133314422f));
  p = V::fma(p, square, V::splat(-0.333332819f));
  const F small = V::fma(V::mul(p, square), x, x);
  const F large = V::sub(one, V::div(two, V::add(one, exponential<V>(V::mul(two, x)))));
  return V::where_less(V::abs(x), V::splat(0.625f), small, large);
}

// The complementary error function of t >= 0. [Numerical Recipes 6.2, erfcc]
template <class V>
typename V::Float error_complement(typename V::Float t) {
  using F = typename V::Float;
  const F q = V::div(V::splat(1.0f), V::fma(V::splat(0.5f), t, V::splat(1.0f)));
  F p = V::fma(V::splat(0.17087277f), q, V::splat(-0.82215223f));
  p = V::fma(p, q, V::splat(1.48851587f));
  p = V::fma(p, q, V::splat(-1.13520398f));
  p = V::fma(p, q, V::splat(0.27886807f));
  p = V::fma(p, q, V::splat(-0.18628806f));
  p = V::fma(p, q, V::splat(0.09678418f));
  p = V::fma(p, q, V::splat(0.37409196f));
  p = V::fma(p, q, V::splat(1.00002368f));
  p = V::fma(p, q, V::splat(-1.26551223f));
  return V::mul(q, exponential<V>(V::sub(p, V::mul(t, t))));
}

template <class V>
struct Silu {
  static typename V::Float of(typename V::Float x) { return V::mul(x, logistic<V>(x)); }
};

// x / 2 (1 + tanh(u)) = x logistic(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3)  [arXiv 1606.08415]
template <class V>
struct GeluTanh {
  static typename V::Float of(typename V::Float x) {
    const auto cubic = V::fma(V::mul(V::splat(0.0713548162726f), x), V::mul(x, x), V::mul(V::splat(1.59576912161f), x));
    return V::mul(x, logistic<V>(cubic));
  }
};

// x times the normal distribution function, from the tail's side: no cancellation.
template <class V>
struct GeluErf {
  static typename V::Float of(typename V::Float x) {
    const auto tail = V::mul(V::splat(0.5f), error_complement<V>(V::mul(V::abs(x), V::splat(0.707106781f))));
    return V::mul(x, V::where_less(x, V::zero(), tail, V::sub(V::splat(1.0f), tail)));
  }
};

template <class V>
struct Relu {
  static typename V::Float of(typename V::Float x) { return V::max(x, V::zero()); }
};

template <class V>
struct ReluSquared {
  static typename V::Float of(typename V::Float x) {
    const auto positive = V::max(x, V::zero());
    return V::mul(positive, positive);
  }
};

}  // namespace
}  // namespace hearth::kernels
