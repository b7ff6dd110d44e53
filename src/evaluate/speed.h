// Tokens a second: of prompts, and of generation.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "evaluate/machine.h"

namespace hearth::evaluate {

struct SpeedOptions {
  std::size_t prompt = 512;   // tokens of the prompt test; 0: none
  std::size_t generate = 64;  // tokens of the generation test; 0: none
  std::size_t depth = 0;      // positions in each cache before either begins
  std::size_t batch = 1;      // sequences side by side
  std::size_t repeat = 3;     // after one run that is not counted
};

struct Speed {
  std::string test;              // "pp512", "tg64", "tg64 @ d2048", "tg64 x16"
  double tokens_per_second = 0;  // median of the runs, all sequences together
  std::vector<double> runs;
  // What the model made the machine do, of what the machine was measured to do at best just before: bytes of weights
  // and cache read, and multiplications (the engine's are of 8 bits where a file's format allows, so that they may pass
  // 1).
  double bandwidth_share = 0, arithmetic_share = 0;
};

// Hears of each run before it begins (0: the one that is not counted) and returns false to stop: what finished runs
// gave is the result then.
using SpeedProgress = std::function<bool(const std::string& test, std::size_t run)>;

// Random tokens of a fixed seed; nothing is drawn from the logits, as in llama-bench, but those that sampling by
// default could not draw may be inexact (EngineOptions::screen). Throws too_long where depth and tokens do not fit the
// engine's context.
std::vector<Speed> measure_speed(engine::Engine& engine, const SpeedOptions& options, const Machine& machine,
                                 const SpeedProgress& progress = {});

// The most memory this process has had resident, in bytes; and from now on only.
std::size_t peak_memory();
void forget_peak_memory();

}  // namespace hearth::evaluate
