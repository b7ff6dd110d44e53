// When a pass over rows is worth waking other threads.
#pragma once

#include <cstddef>

#include "base/thread_pool.h"

namespace hearth::ops {

// Calls task(begin, end) over rows [0, count), in shares on all threads, or at once on the caller where the whole work
// is below what a fork and join costs. `row_cost`: nanoseconds a row takes one thread, roughly.
template <class Task>
void for_rows(ThreadPool& pool, std::size_t count, std::size_t row_cost, Task&& task) {
  constexpr std::size_t worth_a_fork = 4000;
  if (count <= 1 || count * row_cost < worth_a_fork)
    task(std::size_t{0}, count);
  else
    pool.split(count, 1, [&](std::size_t begin, std::size_t end, std::size_t) { task(begin, end); });
}

}  // namespace hearth::ops
