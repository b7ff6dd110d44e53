// How long a piece of work takes.
#pragma once

#include <algorithm>
#include <chrono>

namespace hearth::bench {

// The best of some runs: what the machine can do when nobody else wants it.
template <class Body>
double seconds(Body body, int runs) {
  double best = 1e9;
  for (int i = 0; i < runs; ++i) {
    const auto start = std::chrono::steady_clock::now();
    body();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

}  // namespace hearth::bench
