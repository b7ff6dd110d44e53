// hearth bench: prompt and generation speed, memory, load time.
#include <fmt/format.h>

#include <chrono>

#include "base/cpu.h"
#include "base/error.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "evaluate/speed.h"
#include "kernels/kernels.h"

namespace hearth::cli {

namespace {

// A model that no cache holds, most of it in pages of 4 KB, whose addresses take time to be found.
bool in_small_pages(const evaluate::Machine& machine, const gguf::File& file) {
  return machine.large_pages && *machine.large_pages < 0.5 && file.bytes() > (std::uint64_t{128} << 20);
}

struct Bench {
  ModelOptions model;
  evaluate::SpeedOptions options;
  bool json = false;

  void operator()() {
    const auto start = std::chrono::steady_clock::now();
    const auto engine = model.open();
    const std::chrono::duration<double> load = std::chrono::steady_clock::now() - start;
    const evaluate::Machine machine = evaluate::measure_machine(*engine);
    evaluate::forget_peak_memory();  // what that took is not the model's
    Progress progress;
    const Interrupt interrupt;
    const auto results =
        evaluate::measure_speed(*engine, options, machine, [&](const std::string& test, std::size_t run) {
          progress.show(fmt::format("{} {}/{}", test, run, options.repeat));
          return !interrupt.asked();
        });
    progress.clear();
    if (!results.empty()) print(*engine, load.count(), machine, results);
    if (interrupt.asked()) throw Error(Code::cancelled, "interrupted");
  }

  void print(const engine::Engine& engine, double load_seconds, const evaluate::Machine& machine,
             const std::vector<evaluate::Speed>& results) const {
    const std::string_view level = kernels::active().name;
    if (json) {
      nlohmann::ordered_json document{{"model", model.model},
                                      {"cpu", cpu_name()},
                                      {"kernels", level},
                                      {"threads", engine.threads()},
                                      {"load_seconds", load_seconds},
                                      {"peak_memory_bytes", evaluate::peak_memory()},
                                      {"model_bytes", engine.model().file().bytes()},
                                      {"bandwidth_bytes_per_second", machine.bandwidth},
                                      {"float32_multiply_adds_per_second", machine.arithmetic}};
      if (machine.large_pages) document["large_page_share"] = *machine.large_pages;
      document["results"] = nlohmann::ordered_json::array();
      for (const auto& result : results)
        document["results"].push_back({{"test", result.test},
                                       {"tokens_per_second", result.tokens_per_second},
                                       {"runs", result.runs},
                                       {"bandwidth_share", result.bandwidth_share},
                                       {"arithmetic_share", result.arithmetic_share}});
      return print_json(document);
    }
    fmt::print("{}, {} kernels, {} threads, loaded in {:.0f} ms\n", cpu_name(), level, engine.threads(),
               1e3 * load_seconds);
    for (const auto& result : results) {
      fmt::print("{:<16} {:>9.1f} tokens/s  {:>4.0f}% of bandwidth  {:>4.0f}% of float32 arithmetic   (", result.test,
                 result.tokens_per_second, 100 * result.bandwidth_share, 100 * result.arithmetic_share);
      for (std::size_t i = 0; i < result.runs.size(); ++i) fmt::print("{}{:.1f}", i ? ", " : "", result.runs[i]);
      fmt::print(")\n");
    }
    fmt::print("this machine now: reads {:.1f} GB/s, multiplies and adds {:.0f} G/s in float32\n",
               machine.bandwidth / 1e9, machine.arithmetic / 1e9);
    if (const auto& model_file = engine.model().file(); in_small_pages(machine, model_file))
      fmt::print(
          "{:.0f}% of the model lies in large pages. Read anew it may generate faster, after:\n"
          "  dd if='{}' iflag=nocache count=0\n",
          100 * *machine.large_pages, model_file.path().string());
    fmt::print("peak memory      {:>9.1f} MB\n", double(evaluate::peak_memory()) / 1e6);
  }
};

}  // namespace

void add_bench(CLI::App& app) {
  auto* command = app.add_subcommand("bench", "prompt and generation speed, memory");
  auto run = std::make_shared<Bench>();
  run->model.add_to(*command);
  run->model.add_all_logits_to(*command);
  command->add_option("-p,--prompt", run->options.prompt, "tokens of prompt; 0: none")->capture_default_str();
  command->add_option("-n,--generate", run->options.generate, "tokens to generate; 0: none")->capture_default_str();
  command->add_option("--depth", run->options.depth, "positions in the cache before")->capture_default_str();
  command->add_option("--batch", run->options.batch, "sequences side by side")
      ->capture_default_str()
      ->check(CLI::Range(1, 256));
  command->add_option("--repeat", run->options.repeat, "runs; the median is told")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  command->add_flag("--json", run->json, "one JSON document");
  command->callback([run] { (*run)(); });
}

}  // namespace hearth::cli
