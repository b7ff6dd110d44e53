// Threads that run one task together, then wait: spinning a few microseconds, then asleep.
#pragma once

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <span>
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

// Pieces of work for threads that shall end together: each has a row of them to itself, and who is done with its own
// takes from the others'. So a core that is slower, or busy with something else, keeps nobody waiting for long.
class Pieces {
 public:
  static constexpr std::size_t none = ~std::size_t{0};
  struct alignas(64) Counter {  // a cache line of its own
    std::atomic<std::size_t> taken{0};
  };

  // `each`: pieces in a thread's row.
  Pieces(std::span<Counter> rows, std::size_t each) : rows_(rows), each_(each) {
    for (Counter& row : rows_) row.taken.store(0, std::memory_order_relaxed);
  }

  std::size_t count() const { return rows_.size() * each_; }

  // A piece that nobody took yet, for thread `index`: 0 to count() - 1, its own first and in order; `none` at the end.
  std::size_t take(std::size_t index) const {
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const std::size_t owner = (index + i) % rows_.size();
      std::atomic<std::size_t>& taken = rows_[owner].taken;
      if (taken.load(std::memory_order_relaxed) >= each_) continue;
      if (const std::size_t piece = taken.fetch_add(1, std::memory_order_relaxed); piece < each_)
        return owner * each_ + piece;
    }
    return none;
  }

 private:
  std::span<Counter> rows_;
  std::size_t each_;
};

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

  // For the next run: `each` pieces a thread.
  Pieces pieces(std::size_t each) { return {{counters_.get(), size_}, each}; }

  // Cuts [0, count) into `each` pieces a thread, of whole grains: task(begin, end), on whichever thread is free.
  template <class Task>
  void balance(std::size_t count, std::size_t grain, std::size_t each, Task&& task) {
    const Pieces all = pieces(each);
    run([&](std::size_t index, std::size_t) {
      for (std::size_t piece; (piece = all.take(index)) != Pieces::none;) {
        const Range range = share(count, piece, all.count(), grain);
        if (range.begin < range.end) task(range.begin, range.end);
      }
    });
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
  std::unique_ptr<Pieces::Counter[]> counters_;
  std::unique_ptr<State> state_;
};

// Physical cores this process may use (affinity respected), at least 1.
std::size_t physical_cores();

}  // namespace hearth
