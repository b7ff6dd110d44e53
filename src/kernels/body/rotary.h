// Rotary position embedding: angles, and the rotation of one head.
#pragma once

#include "kernels/body/elementwise.h"

namespace hearth::kernels {
namespace {

// In double precision up to the reduction, so that far positions keep exact angles. A plain loop: compilers vectorise
// it.
template <class V>
void rope_angles(double position, const double* frequencies, double magnitude, std::size_t count, float* cosines,
                 float* sines) {
  const float size = static_cast<float>(magnitude);
  for (std::size_t i = 0; i < count; ++i) {
    const double angle = position * frequencies[i];
    const double shifted = angle * 0.63661977236758134308 + 0x1.8p52;  // quarter turns: the low bits of the sum
    const float r = static_cast<float>(angle - (shifted - 0x1.8p52) * 1.57079632679489661923);
    std::int64_t quarter;
    __builtin_memcpy(&quarter, &shifted, sizeof quarter);
    const float s = r * r;
    const float sine = r + r * s * (-0.166666666f + s * (0.0083333293f + s * (-0.000198393115f + s * 2.71811439e-06f)));
    const float cosine = 1.0f - 0.5f * s + s * s * (0.0416666457f + s * (-0.00138873156f + s * 2.44330805e-05f));
    const float c = quarter & 1 ? sine : cosine, n = quarter & 1 ? cosine : sine;
    cosines[i] = (quarter + 1) & 2 ? -c * size : c * size;
    sines[i] = quarter & 2 ? -n * size : n * size;
  }
}

template <class V>
void rotate_halves(float* x, const float* cosines, const float* sines, std::size_t half) {
  for_each_vector<V>(half, [=](std::size_t i, std::size_t n) {
    const auto a = load<V>(x + i, n), b = load<V>(x + half + i, n);
    const auto c = load<V>(cosines + i, n), s = load<V>(sines + i, n);
    store<V>(x + i, V::sub(V::mul(a, c), V::mul(b, s)), n);
    store<V>(x + half + i, V::fma(a, s, V::mul(b, c)), n);
  });
}

template <class V>
void rotate_pairs(float* x, const float* cosines, const float* sines, std::size_t half) {
  std::size_t i = 0;
  for (; i + V::lanes <= half; i += V::lanes) {
    typename V::Float a, b, low, high;
    V::separate(V::load(x + 2 * i), V::load(x + 2 * i + V::lanes), a, b);
    const auto c = V::load(cosines + i), s = V::load(sines + i);
    V::interleave(V::sub(V::mul(a, c), V::mul(b, s)), V::fma(a, s, V::mul(b, c)), low, high);
    V::store(x + 2 * i, low);
    V::store(x + 2 * i + V::lanes, high);
  }
  for (; i < half; ++i) {
    const float a = x[2 * i], b = x[2 * i + 1];
    x[2 * i] = a * cosines[i] - b * sines[i];
    x[2 * i + 1] = a * sines[i] + b * cosines[i];
  }
}

}  // namespace
}  // namespace hearth::kernels
