// Options that several commands share.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "cli/command.h"
#include "engine/engine.h"

namespace hearth::cli {

// A model, and what is computed of it how: each command has the options that change something there.
struct ModelOptions {
  std::string model;
  std::size_t threads = 0;
  std::size_t context = 0;
  std::string cache_type = "f16";
  std::string rope_scaling;
  float rope_base = 0, rope_factor = 0;  // 0: the file's
  bool shift = false;
  std::size_t sink = 4;
  bool all_logits = false;

  void add_to(CLI::App& command, bool model_required = true);  // MODEL, --threads, --context, --cache-type
  void add_rope_to(CLI::App& command);        // --rope-..., where it matters what is computed, not only how fast
  void add_shift_to(CLI::App& command);       // --context-shift, --sink, where answers may fill a context
  void add_all_logits_to(CLI::App& command);  // --all-logits, where tokens are drawn; all others compute all anyway
  engine::EngineOptions engine_options() const;
  std::shared_ptr<engine::Engine> open() const;
};

// Sampling, stop strings, grammar and length.
struct GenerationOptions {
  sample::Options sampling;
  std::size_t max_tokens = 0;
  std::vector<std::string> stop;
  std::vector<std::string> logit_bias;  // ID=BIAS
  std::string grammar_file, schema_file;
  std::vector<std::string> lora;  // FILE or FILE=SCALE
  std::string draft = "lookup";   // "off", "lookup", or a model

  void add_to(CLI::App& command);
  // Everything but the prompt. What the command line leaves open is as the model's publishers suggest.
  engine::Request request(const engine::Engine& engine) const;
  std::vector<engine::AdapterUse> adapters(const engine::Engine& engine) const;

 private:
  sample::Options suggested(const gguf::File& file) const;
  // The options of sampling that a file may suggest, by their names there ("general.sampling.temp").
  struct Suggestible {
    const char* key;
    const CLI::Option* option;
    std::variant<float sample::Options::*, std::int32_t sample::Options::*> member;
  };
  std::vector<Suggestible> suggestible_;
};

nlohmann::ordered_json to_json(const engine::Usage& usage);
nlohmann::ordered_json to_json(const engine::Answer& answer);

// A line such as "12 tokens of prompt at 310 tokens/s, 64 generated at 140 tokens/s".
std::string speed_line(const engine::Answer& answer);

}  // namespace hearth::cli
