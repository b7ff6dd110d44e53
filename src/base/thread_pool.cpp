#include "base/thread_pool.h"

#include <fmt/format.h>
#include <sched.h>

#include <condition_variable>
#include <fstream>
#include <mutex>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "base/error.h"

namespace hearth {

namespace {

// Long enough to bridge the serial gaps between two products of a small model, short enough that an idle
// pool is asleep before anyone notices.
constexpr int spins_before_sleep = 20000;

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

}  // namespace

// `epoch` counts runs; a worker that sees it grow takes the task, then adds itself to `done`. Each counter has a
// cache line of its own, so that a waiting thread does not slow a working one.
struct ThreadPool::State {
  alignas(64) std::atomic<std::size_t> epoch{0};
  alignas(64) std::atomic<std::size_t> done{0};
  alignas(64) std::atomic<std::size_t> sleepers{0};
  Erased call = nullptr;
  void* self = nullptr;
  std::atomic<bool> stop{false};
  std::mutex mutex;
  std::condition_variable wake;
  std::exception_ptr error;
  std::vector<std::thread> threads;

  void keep_error() {
    const std::lock_guard lock(mutex);
    if (!error) error = std::current_exception();
  }

  void work(std::size_t index, std::size_t size) {
    for (std::size_t seen = 0;;) {
      for (int spins = 0; epoch.load(std::memory_order_acquire) == seen; ++spins) {
        if (spins < spins_before_sleep) {
          relax();
          continue;
        }
        std::unique_lock lock(mutex);
        sleepers.fetch_add(1, std::memory_order_seq_cst);
        wake.wait(lock, [&] { return epoch.load(std::memory_order_seq_cst) != seen; });
        sleepers.fetch_sub(1, std::memory_order_relaxed);
      }
      ++seen;
      if (stop.load(std::memory_order_relaxed)) return;
      try {
        call(self, index, size);
      } catch (...) {
        keep_error();
      }
      done.fetch_add(1, std::memory_order_release);
    }
  }

  void start() {
    epoch.fetch_add(1, std::memory_order_seq_cst);
    if (sleepers.load(std::memory_order_seq_cst) != 0) {
      const std::lock_guard lock(mutex);  // a worker between its test and its sleep holds the mutex
      wake.notify_all();
    }
  }

  void finish() {
    stop.store(true, std::memory_order_relaxed);
    start();
    for (std::thread& thread : threads) thread.join();
  }
};

ThreadPool::ThreadPool(std::size_t threads)
    : size_(threads == 0 ? physical_cores() : threads),
      counters_(std::make_unique<Pieces::Counter[]>(size_)),
      state_(std::make_unique<State>()) {
  try {
    for (std::size_t index = 1; index < size_; ++index)
      state_->threads.emplace_back([state = state_.get(), index, size = size_] { state->work(index, size); });
  } catch (const std::system_error&) {
    state_->finish();
    throw Error(Code::out_of_memory,
                fmt::format("the system gives no more than {} of {} threads", state_->threads.size() + 1, size_), {},
                "ask for fewer");
  }
}

ThreadPool::~ThreadPool() {
  state_->finish();
}

void ThreadPool::run_erased(Erased call, void* self) {
  if (size_ == 1) return call(self, 0, 1);
  State& state = *state_;
  state.call = call;
  state.self = self;
  state.done.store(0, std::memory_order_relaxed);
  state.start();
  try {
    call(self, 0, size_);
  } catch (...) {
    state.keep_error();
  }
  for (int spins = 0; state.done.load(std::memory_order_acquire) != size_ - 1; ++spins) {
    if (spins < spins_before_sleep)
      relax();
    else
      std::this_thread::yield();  // more threads than cores: let the late one run
  }
  if (state.error) std::rethrow_exception(std::exchange(state.error, nullptr));
}

std::size_t physical_cores() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
  std::set<std::string> cores;  // siblings share one list
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    std::string siblings = std::to_string(cpu);
    std::ifstream("/sys/devices/system/cpu/cpu" + siblings + "/topology/thread_siblings_list") >> siblings;
    cores.insert(siblings);
  }
  return cores.empty() ? 1 : cores.size();
}

}  // namespace hearth
