#include "evaluate/speed.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <random>

#include "base/error.h"
#include "evaluate/statistics.h"
#include "model/work.h"

namespace hearth::evaluate {

namespace {

using model::Segment;

class Bench {
 public:
  Bench(engine::Engine& engine, const SpeedOptions& options, const Machine& machine, const SpeedProgress& progress)
      : engine_(engine),
        options_(options),
        machine_(machine),
        progress_(progress),
        work_(model::work_of(engine.model().file(), engine.model().hyperparameters())) {
    const std::size_t room = engine.context_length(), longest = std::max(options.prompt, options.generate);
    const std::size_t positions = options.depth + longest;
    if (options.depth > room || longest > room - options.depth)
      throw Error(Code::too_long,
                  fmt::format("{} tokens at depth {} and the context holds {}", longest, options.depth, room), {},
                  "raise --context");
    for (std::size_t i = 0; i < options.batch; ++i)
      caches_.push_back(engine.model().new_cache(positions, engine.options().kv_type));
    logits_.resize(options.batch * engine.model().vocabulary_size());
    std::mt19937 random(42);
    std::uniform_int_distribution<Token> any(0, Token(engine.model().vocabulary_size()) - 1);
    tokens_.resize(positions);
    for (Token& token : tokens_) token = any(random);
    feed(options.depth, Segment::Want::none);
  }

  Speed prompt() {
    const double each = double(options_.prompt);
    Speed speed = measure(fmt::format("pp{}", options_.prompt), options_.prompt,
                          [&] { feed(options_.prompt, Segment::Want::last); });
    add_shares(speed, each, 1, double(options_.depth) + each / 2);
    return speed;
  }
  Speed generation() {
    Speed speed = measure(fmt::format("tg{}", options_.generate), options_.generate, [&] {
      for (std::size_t i = 0; i < options_.generate; ++i) feed(1, Segment::Want::last);
    });
    work_.weight_bytes -= engine_.screened_bytes();
    add_shares(speed, 1, 1, double(options_.depth) + double(options_.generate) / 2);
    return speed;
  }

 private:
  // The next `count` tokens of every sequence.
  void feed(std::size_t count, Segment::Want want) {
    if (count == 0) return;
    std::vector<Segment> segments;
    for (const auto& cache : caches_)
      segments.push_back({.cache = cache.get(),
                          .tokens = std::span<const Token>(tokens_).subspan(cache->used(), count),
                          .want = want});
    const std::size_t rows = want == Segment::Want::none ? 0 : caches_.size();
    engine_.forward(segments, {logits_.data(), rows, engine_.model().vocabulary_size()},
                    {.best = {.count = sample::Sampler({}).needed()}});
  }

  // Of batches in which each sequence gives `tokens` tokens that look at `positions` on average, and asks for `logits`.
  void add_shares(Speed& speed, double tokens, double logits, double positions) const {
    const double sequences = double(caches_.size()), batches = speed.tokens_per_second / (tokens * sequences);
    const double cache = double(caches_[0]->bytes_used()) / double(caches_[0]->used()) * (positions + tokens / 2);
    const double bytes = double(work_.weight_bytes) + sequences * cache;
    const double products = sequences * (tokens * (work_.multiply_adds + positions * work_.attention_multiply_adds) +
                                         logits * work_.output_multiply_adds);
    speed.bandwidth_share = batches * bytes / machine_.bandwidth;
    speed.arithmetic_share = batches * products / machine_.arithmetic;
  }

  Speed measure(std::string name, std::size_t tokens, const std::function<void()>& run) {
    if (options_.depth) name += fmt::format(" @ d{}", options_.depth);
    if (options_.batch > 1) name += fmt::format(" x{}", options_.batch);
    Speed speed;
    speed.test = std::move(name);
    for (std::size_t i = 0; i <= options_.repeat; ++i) {
      if (stopped_ || (stopped_ = progress_ && !progress_(speed.test, i))) break;
      for (const auto& cache : caches_) cache->truncate(options_.depth);
      const auto start = std::chrono::steady_clock::now();
      run();
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
      if (i > 0) speed.runs.push_back(double(tokens * caches_.size()) / took.count());
    }
    if (!speed.runs.empty()) speed.tokens_per_second = median(speed.runs);
    return speed;
  }

  engine::Engine& engine_;
  const SpeedOptions& options_;
  const Machine& machine_;
  const SpeedProgress& progress_;
  bool stopped_ = false;
  model::Work work_;
  std::vector<std::unique_ptr<model::KvCache>> caches_;
  std::vector<float> logits_;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Speed> measure_speed(engine::Engine& engine, const SpeedOptions& options, const Machine& machine,
                                 const SpeedProgress& progress) {
  if (engine.model().is_encoder())
    throw Error(Code::unsupported, "an encoder generates nothing", engine.model().file().metadata().origin());
  Bench bench(engine, options, machine, progress);
  std::vector<Speed> results;
  if (options.prompt) results.push_back(bench.prompt());
  if (options.generate) results.push_back(bench.generation());
  std::erase_if(results, [](const Speed& speed) { return speed.runs.empty(); });
  return results;
}

std::size_t peak_memory() {  // not getrusage's, which begins with that of the process that started this one
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;)
    if (std::size_t kilobytes = 0; word == "VmHWM:" && file >> kilobytes) return kilobytes * 1024;
  return 0;
}

void forget_peak_memory() {
  std::ofstream("/proc/self/clear_refs") << "5\n";
}

}  // namespace hearth::evaluate
