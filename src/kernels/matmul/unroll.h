// Loops of constant length, written out before the compiler decides what lives in registers.
#pragma once

namespace hearth::kernels {
namespace {

template <int... i>
struct Sequence {};
template <int n, int... i>
struct MakeSequence : MakeSequence<n - 1, n - 1, i...> {};
template <int... i>
struct MakeSequence<0, i...> {
  using Type = Sequence<i...>;
};

template <int... i, class Body>
[[gnu::always_inline]] inline void unroll(Sequence<i...>, Body& body) {
  (body.template operator()<i>(), ...);
}
// body.operator()<0>(), and so on to n - 1. Bodies are written HEARTH_UNROLL(i) { ... }.
template <int n, class Body>
[[gnu::always_inline]] inline void unroll(Body body) {
  unroll(typename MakeSequence<n>::Type{}, body);
}
#define HEARTH_UNROLL(i) [&]<int i>() __attribute__((always_inline))

}  // namespace
}  // namespace hearth::kernels
