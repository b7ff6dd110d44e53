#include "evaluate/machine.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <string_view>

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

}  // namespace

Machine measure_machine(engine::Engine& engine) {
  Machine machine;
  std::vector<std::uint64_t> memory((std::size_t{192} << 20) / sizeof(std::uint64_t), 1);  // beyond any cache
  std::atomic<std::uint64_t> sink{0};
  engine.with_threads([&](ThreadPool& pool) {
    machine.bandwidth = best_rate(double(memory.size() * sizeof(std::uint64_t)), 5, [&] {
      pool.split(memory.size(), 4096, [&](std::size_t begin, std::size_t end, std::size_t) {
        sink += std::accumulate(memory.begin() + std::ptrdiff_t(begin), memory.begin() + std::ptrdiff_t(end),
                                std::uint64_t{0});
      });
    });
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

Work work_of(const model::Model& model) {
  const auto& numbers = model.hyperparameters();
  const auto& file = model.file();
  const bool tied = !file.find("output.weight");
  Work work;
  for (const gguf::Tensor& tensor : file.tensors()) {
    const bool embedding = tensor.name.starts_with("token_embd."), output = tensor.name.starts_with("output.");
    const bool places = tensor.name.starts_with("position_embd.") || tensor.name.starts_with("token_types.");
    if (tensor.shape.size() < 2 || places || (embedding && !tied)) continue;
    double share = 1;  // of a stack of experts, those that a token is sent to
    if (tensor.shape.size() == 3 && numbers.mixture.experts)
      share = double(numbers.mixture.used) / double(numbers.mixture.experts);
    work.weight_bytes += std::size_t(double(tensor.data.size()) * share);
    (embedding || output ? work.output_multiply_adds : work.multiply_adds) += double(tensor.elements()) * share;
  }
  work.attention_multiply_adds = double(numbers.layers * numbers.heads * (numbers.key_width + numbers.value_width));
  return work;
}

}  // namespace hearth::evaluate
