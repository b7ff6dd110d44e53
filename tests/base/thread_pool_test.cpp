#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

namespace hearth {
namespace {

TEST(ThreadPool, EveryItemOnceForAnyThreadsAndGrain) {
  for (std::size_t threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    for (std::size_t count : {0, 1, 7, 64, 1000})
      for (std::size_t grain : {1, 4, 16, 64}) {
        std::vector<int> hits(count);
        pool.split(count, grain, [&](std::size_t begin, std::size_t end, std::size_t) {
          EXPECT_EQ(begin % grain, 0u);
          for (std::size_t i = begin; i < end; ++i) ++hits[i];
        });
        EXPECT_EQ(std::accumulate(hits.begin(), hits.end(), std::size_t{0}), count);
        for (int h : hits) EXPECT_EQ(h, 1);
      }
  }
}

TEST(ThreadPool, ThrowsTheTasksExceptionAndGoesOn) {
  ThreadPool pool(4);
  for (int round = 0; round < 50; ++round)
    EXPECT_THROW(pool.run([&](std::size_t index, std::size_t) {
      if (index == static_cast<std::size_t>(round) % 4) throw std::runtime_error("fault");
    }),
                 std::runtime_error);
  std::atomic<int> ran{0};
  pool.run([&](std::size_t, std::size_t) { ++ran; });
  EXPECT_EQ(ran, 4);
}

TEST(ThreadPool, WakesAfterSleep) {
  ThreadPool pool(3);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::atomic<int> ran{0};
    pool.run([&](std::size_t, std::size_t) { ++ran; });
    EXPECT_EQ(ran, 3);
  }
}

TEST(ThreadPool, ManyShortRuns) {
  ThreadPool pool(2);
  std::size_t total[2] = {};
  for (int round = 0; round < 20000; ++round) pool.run([&](std::size_t index, std::size_t) { ++total[index]; });
  EXPECT_EQ(total[0], 20000u);
  EXPECT_EQ(total[1], 20000u);
}

}  // namespace
}  // namespace hearth
