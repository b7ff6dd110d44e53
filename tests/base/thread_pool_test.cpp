#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
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

TEST(ThreadPool, EveryPieceOnceAndOnesOwnFirst) {
  for (std::size_t threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    for (std::size_t each : {1, 2, 8}) {
      const Pieces pieces = pool.pieces(each);
      std::vector<std::atomic<int>> hits(pieces.count());
      pool.run([&](std::size_t index, std::size_t) {
        for (std::size_t piece; (piece = pieces.take(index)) != Pieces::none;) ++hits[piece];
      });
      for (const std::atomic<int>& h : hits) EXPECT_EQ(h, 1);
      EXPECT_EQ(pieces.take(0), Pieces::none);
    }
  }
  ThreadPool pool(3);
  const Pieces pieces = pool.pieces(4);
  EXPECT_EQ(pieces.take(1), 4u);
  EXPECT_EQ(pieces.take(0), 0u);
  EXPECT_EQ(pieces.take(1), 5u);
}

// Who is late keeps one piece to himself; the others are done meanwhile.
TEST(ThreadPool, OthersTakeWhatALateThreadWouldHaveDone) {
  ThreadPool pool(2);
  std::atomic<std::size_t> done{0};
  std::atomic<bool> late{false};
  pool.balance(160, 10, 8, [&](std::size_t begin, std::size_t end) {
    EXPECT_EQ(begin % 10, 0u);
    if (!late.exchange(true)) {
      const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(10);
      while (done != 150 && std::chrono::steady_clock::now() < patience) std::this_thread::yield();
      EXPECT_EQ(done, 150u);
    }
    done += end - begin;
  });
  EXPECT_EQ(done, 160u);
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
