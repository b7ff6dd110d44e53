#include "evaluate/machine.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/kernels.h"

namespace hearth::evaluate {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The best of a few short tries, as a rate.
template <class Try>
double best_rate(double amount, int tries, Try&& once) {
  double best = 0;
  for (int i = 0; i < tries; ++i) {
    const auto start = Clock::now();
    once();
    best = std::max(best, amount / seconds_since(start));
  }
  return best;
}

// One word of each line, with those further on wanted beforehand as generation wants them.
std::uint64_t sum_of_lines(std::span<const std::byte> bytes) {
  constexpr std::size_t line = 64;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i + line <= bytes.size(); i += line) {
    __builtin_prefetch(bytes.data() + i + kernels::fetch_far, 0, 2);
    __builtin_prefetch(bytes.data() + i + kernels::fetch_near, 0, 3);
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + i, sizeof word);
    sum += word;
  }
  return sum;
}

// Of the weights where they are: up to 1 GB of them, each tensor cut into a share for each thread.
double read_rate(ThreadPool& pool, const gguf::File& file) {
  std::vector<std::span<const std::byte>> parts;
  std::size_t total = 0;
  for (const gguf::Tensor& tensor : file.tensors()) {
    parts.push_back(tensor.data.first(std::min(tensor.data.size(), (std::size_t{1} << 30) - total)));
    total += parts.back().size();
  }
  std::atomic<std::uint64_t> sink{0};
  return best_rate(double(total), 6, [&] {
    pool.run([&](std::size_t index, std::size_t threads) {
      for (const auto& part : parts) {
        const std::size_t begin = part.size() * index / threads, end = part.size() * (index + 1) / threads;
        sink += sum_of_lines(part.subspan(begin, end - begin));
      }
    });
  });
}

std::optional<double> large_pages_of(const gguf::File& file) {
  std::vector<const std::byte*> places;
  for (const gguf::Tensor& tensor : file.tensors()) places.push_back(tensor.data.data());
  std::ifstream smaps("/proc/self/smaps");
  return share_in_large_pages(smaps, places);
}

}  // namespace

std::optional<double> share_in_large_pages(std::istream& smaps, std::span<const std::byte* const> places) {
  std::uint64_t resident = 0, large = 0;
  bool ours = false;
  for (std::string line; std::getline(smaps, line);) {
    unsigned long long begin = 0, end = 0, kilobytes = 0;
    char name[32];
    if (std::sscanf(line.c_str(), "%llx-%llx", &begin, &end) == 2) {
      ours = std::any_of(places.begin(), places.end(), [&](const std::byte* place) {
        const auto address = reinterpret_cast<std::uintptr_t>(place);
        return begin <= address && address < end;
      });
    } else if (ours && std::sscanf(line.c_str(), "%31[^:]: %llu kB", name, &kilobytes) == 2) {
      const std::string_view key = name;
      if (key == "Rss") resident += kilobytes;
      if (key == "FilePmdMapped" || key == "AnonHugePages") large += kilobytes;
    }
  }
  if (resident == 0) return std::nullopt;
  return double(large) / double(resident);
}

Machine measure_machine(engine::Engine& engine) {
  Machine machine;
  engine.with_threads([&](ThreadPool& pool) {
    machine.bandwidth = read_rate(pool, engine.model().file());
    machine.large_pages = large_pages_of(engine.model().file());
    constexpr std::size_t rounds = 200'000;
    const auto multiply_add = kernels::vectors().multiply_add;
    std::atomic<std::size_t> done{0};
    multiply_add(rounds);  // wakes the clock
    machine.arithmetic = best_rate(1, 4, [&] {
      done = 0;
      pool.run([&](std::size_t, std::size_t) { done += multiply_add(rounds); });
    });
    machine.arithmetic *= double(done);
  });
  return machine;
}

}  // namespace hearth::evaluate
