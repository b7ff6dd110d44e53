// Threads that run one task together, then wait: spinning a few microseconds, then asleep.
#pragma once

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

namespace hearth {

// The share [begin, end) of `count` items that falls to `index` of `parts`, in multiples of `grain`
// (the last share takes what is left). A static split: the same items, the same thread, every time.
struct Range {
  std::size_t begin, end;
};
inline Range share(std::size_t count, std::size_t index, std::size_t parts, std::size_t grain = 1) {
  const std::size_t grains = (count + grain - 1) / grain;
  const std::size_t begin = grains * index / parts * grain;
  const std::size_t end = grains * (index + 1) / parts * grain;
  return {begin < count ? begin : count, end < count ? end : count};
}

class ThreadPool {
 public:
  // `threads` counts the caller: 1 starts no thread. 0 means one a physical core.
  explicit ThreadPool(std::size_t threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  std::size_t size() const noexcept { return size_; }

  // Calls task(index, size()) once on every thread, index 0 on the caller, and returns when all have ended.
  // The first exception that a task throws is thrown again here. One run at a time; a task may not call run.
  template <class Task>
  void run(Task&& task) {
    using Plain = std::remove_reference_t<Task>;
    run_erased([](void* self, std::size_t index, std::size_t size) { (*static_cast<Plain*>(self))(index, size); },
               const_cast<void*>(static_cast<const void*>(std::addressof(task))));
  }

  // Cuts [0, count) into static shares of whole grains: task(begin, end, thread index).
  template <class Task>
  void split(std::size_t count, std::size_t grain, Task&& task) {
    run([&](std::size_t index, std::size_t size) {
      const Range range = share(count, index, size, grain);
      if (range.begin < range.end) task(range.begin, range.end, index);
    });
  }

 private:
  using Erased = void (*)(void*, std::size_t, std::size_t);
  struct Worker;
  struct State;
  void run_erased(Erased call, void* self);

  std::size_t size_;
  std::unique_ptr<State> state_;
};

// Physical cores this process may use (affinity respected), at least 1.
std::size_t physical_cores();

}  // namespace hearth
