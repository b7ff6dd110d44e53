#include "cli/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "hub/store.h"
#include "sample/gbnf.h"
#include "sample/json_schema.h"

namespace hearth::cli {

void add_threads(CLI::App& command, std::size_t& threads) {
  command.add_option("--threads", threads, "threads (default: physical cores)")->check(CLI::Range(1, 1024));
}

CLI::Validator above_zero() {
  return CLI::Validator(
      [](const std::string& text) {
        double number = 0;
        return CLI::detail::lexical_cast(text, number) && number > 0 ? std::string() : text + " is not more than 0";
      },
      "POSITIVE");
}

void ModelOptions::add_to(CLI::App& command, bool model_required) {
  auto* option = command.add_option("MODEL", model, "a .gguf file, or a name of the catalogue");
  if (model_required) option->required();
  add_threads(command, threads);
  command.add_option("--context", context, "positions that fit (default: what the model was trained for)")
      ->check(CLI::Range(1, 1 << 24));
  command.add_option("--cache-type", cache_type, "how keys and values are kept")
      ->check(CLI::IsMember({"f32", "f16", "q8_0", "q4_0"}));
}

void ModelOptions::add_rope_to(CLI::App& command) {
  command.add_option("--rope-scaling", rope_scaling, "how rotary positions are stretched (default: as the file says)")
      ->check(CLI::IsMember({"none", "linear", "yarn"}));
  command.add_option("--rope-factor", rope_factor, "how far: new context / trained context")->check(above_zero());
  command.add_option("--rope-base", rope_base, "the rotary frequencies' base")->check(above_zero());
}

void ModelOptions::add_shift_to(CLI::App& command) {
  command.add_flag("--context-shift", shift, "a full context forgets its older half and goes on");
  command.add_option("--sink", sink, "first tokens that a shift always keeps")->capture_default_str();
}

void ModelOptions::add_all_logits_to(CLI::App& command) {
  command.add_flag("--all-logits", all_logits, "compute also those exactly that cannot be drawn: slower");
}

engine::EngineOptions ModelOptions::engine_options() const {
  const auto type = cache_type == "f32"    ? ops::KvType::f32
                    : cache_type == "q8_0" ? ops::KvType::q8_0
                    : cache_type == "q4_0" ? ops::KvType::q4_0
                                           : ops::KvType::f16;
  model::RopeOverride rope;
  if (rope_base > 0) rope.frequency_base = rope_base;
  if (rope_factor > 0) rope.factor = rope_factor;
  if (!rope_scaling.empty())
    rope.scaling = rope_scaling == "linear" ? ops::RopeScaling::linear
                   : rope_scaling == "yarn" ? ops::RopeScaling::yarn
                                            : ops::RopeScaling::none;
  return {.threads = threads,
          .context = context,
          .kv_type = type,
          .rope = rope,
          .shift = shift,
          .sink = sink,
          .screen = !all_logits};
}

std::shared_ptr<engine::Engine> ModelOptions::open() const {
  return engine::Engine::open(hub::find_model(model), engine_options());
}

void GenerationOptions::add_to(CLI::App& command) {
  command.add_option("-n,--max-tokens", max_tokens, "stop after so many tokens (default: when the answer ends)");
  const auto suggestible = [&](const char* name, const char* key, auto member, const char* help) {
    suggestible_.push_back({key, command.add_option(name, sampling.*member, help)->capture_default_str(), member});
  };
  suggestible("--temperature", "temp", &sample::Options::temperature,
              "0: always the likeliest token (default, of these five too: what the model's file suggests, or this)");
  suggestible("--top-k", "top_k", &sample::Options::top_k, "draw from the K likeliest; 0: all");
  suggestible("--top-p", "top_p", &sample::Options::top_p, "draw from the likeliest that make up P; 1: all");
  suggestible("--min-p", "min_p", &sample::Options::min_p, "drop what is less likely than P times the likeliest");
  suggestible("--repeat-penalty", "penalty_repeat", &sample::Options::repeat_penalty, "1: off");
  command.add_option("--typical", sampling.typical_p, "locally typical sampling; 1: off")->capture_default_str();
  command.add_option("--frequency-penalty", sampling.frequency_penalty, "0: off")->capture_default_str();
  command.add_option("--presence-penalty", sampling.presence_penalty, "0: off")->capture_default_str();
  command.add_option("--penalty-window", sampling.penalty_window, "tokens that penalties look back; -1: all")
      ->capture_default_str();
  command.add_option("--logit-bias", logit_bias, "ID=BIAS, added to the token's logit (repeatable)");
  command.add_option("--seed", sampling.seed, "0: a new one each time")->capture_default_str();
  command.add_option("--stop", stop, "end the answer before this text (repeatable)");
  command.add_option("--lora", lora, "a LoRA adapter in GGUF, FILE or FILE=SCALE (repeatable)");
  command.add_option("--draft", draft, "guess tokens ahead: off, lookup (from the text so far), or a smaller MODEL")
      ->capture_default_str();
  auto* grammar = command.add_option("--grammar", grammar_file, "the answer follows this GBNF grammar");
  command.add_option("--json-schema", schema_file, "the answer is JSON of this schema")->excludes(grammar);
}

namespace {

std::pair<Token, float> parse_bias(const std::string& text, std::size_t vocabulary) {
  const auto equals = text.find('=');
  Token id = no_token;
  float bias = 0;
  if (equals != text.npos) {
    const char* end = text.data() + text.size();
    const auto first = std::from_chars(text.data(), text.data() + equals, id);
    const auto second = std::from_chars(text.data() + equals + 1, end, bias);
    if (first.ec == std::errc{} && first.ptr == text.data() + equals && second.ec == std::errc{} && second.ptr == end &&
        id >= 0 && std::size_t(id) < vocabulary)
      return {id, bias};
  }
  throw Error(Code::usage, "not a token id and a bias", "--logit-bias " + text, "write ID=BIAS, such as 42=-inf");
}

std::unique_ptr<engine::Drafter> make_drafter(const std::string& draft, const engine::Engine& engine) {
  if (draft == "off") return nullptr;
  if (draft == "lookup") return engine::prompt_lookup();
  return engine::draft_model(model::Model::open(hub::find_model(draft)), engine.tokenizer());
}

// What is wrong with the grammar is wrong with its file.
template <typename Parse>
std::unique_ptr<sample::Constraint> constraint_of(const std::string& file, const engine::Engine& engine, Parse parse) {
  const auto table = engine.token_table();
  const std::string text = read_text(file);
  try {
    return sample::grammar_constraint(table, parse(text));
  } catch (const Error& fault) {
    throw Error(fault.code(), fault.what(), file);
  }
}

}  // namespace

std::vector<engine::AdapterUse> GenerationOptions::adapters(const engine::Engine& engine) const {
  std::vector<engine::AdapterUse> uses;
  for (const std::string& text : lora) {
    const auto equals = text.rfind('=');
    engine::AdapterUse use;
    if (equals != text.npos) {
      const char* const end = text.data() + text.size();
      const auto parsed = std::from_chars(text.data() + equals + 1, end, use.scale);
      if (parsed.ec != std::errc{} || parsed.ptr != end)
        throw Error(Code::usage, "the scale is no number", "--lora " + text, "write FILE=SCALE, such as my.gguf=0.5");
    }
    use.adapter = model::Adapter::open(text.substr(0, equals), engine.model());
    uses.push_back(std::move(use));
  }
  return uses;
}

sample::Options GenerationOptions::suggested(const gguf::File& file) const {
  sample::Options options = sampling;
  const hub::CatalogueEntry* const entry = hub::entry_of(file.path());
  for (const Suggestible& one : suggestible_) {
    if (one.option->count() > 0) continue;
    std::visit(
        [&](auto member) {
          auto& value = options.*member;
          double suggestion = value;
          if (entry)
            for (const auto& [key, number] : entry->sampling)
              if (key == one.key) suggestion = number;
          suggestion = file.metadata().number(fmt::format("general.sampling.{}", one.key), suggestion);
          value = static_cast<std::remove_reference_t<decltype(value)>>(suggestion > 0 ? std::min(suggestion, 1e6) : 0);
        },
        one.member);
  }
  return options;
}

engine::Request GenerationOptions::request(const engine::Engine& engine) const {
  engine::Request request;
  request.max_tokens = max_tokens;
  request.sampling = suggested(engine.model().file());
  for (const std::string& text : logit_bias)
    request.sampling.logit_bias.insert(parse_bias(text, engine.model().vocabulary_size()));
  request.sampling.check();
  request.stop = stop;
  request.drafter = make_drafter(draft, engine);
  if (!grammar_file.empty())
    request.constraint =
        constraint_of(grammar_file, engine, [](const std::string& text) { return sample::parse_gbnf(text); });
  if (!schema_file.empty())
    request.constraint = constraint_of(schema_file, engine, [](const std::string& text) {
      const auto schema = nlohmann::ordered_json::parse(text, nullptr, false);
      if (schema.is_discarded()) throw Error(Code::bad_input, "not JSON");
      return sample::from_json_schema(schema);
    });
  return request;
}

nlohmann::ordered_json to_json(const engine::Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.generated_tokens},
          {"total_tokens", usage.prompt_tokens + usage.generated_tokens},
          {"completion_tokens_details",
           {{"drafted_tokens", usage.drafted_tokens}, {"accepted_tokens", usage.accepted_tokens}}},
          {"prompt_tokens_details", {{"cached_tokens", usage.cached_tokens}}}};
}

namespace {
// The first token comes with the prompt; the others take the time after it.
double prompt_speed(const engine::Answer& a) {
  return a.timings.prompt_seconds > 0 ? double(a.usage.prompt_tokens - a.usage.cached_tokens) / a.timings.prompt_seconds
                                      : 0;
}
double generation_speed(const engine::Answer& a) {
  return a.timings.generation_seconds > 0 && a.usage.generated_tokens > 1
             ? double(a.usage.generated_tokens - 1) / a.timings.generation_seconds
             : 0;
}
}  // namespace

nlohmann::ordered_json to_json(const engine::Answer& answer) {
  return {{"text", answer.text},
          {"tokens", answer.tokens},
          {"finish_reason", engine::name(answer.reason)},
          {"stop_string",
           answer.stop_string.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(answer.stop_string)},
          {"seed", answer.seed},
          {"usage", to_json(answer.usage)},
          {"timings",
           {{"prompt_seconds", answer.timings.prompt_seconds},
            {"prompt_tokens_per_second", prompt_speed(answer)},
            {"generation_seconds", answer.timings.generation_seconds},
            {"generation_tokens_per_second", generation_speed(answer)}}}};
}

std::string speed_line(const engine::Answer& answer) {
  std::string line = fmt::format("{} prompt tokens ({} cached) at {:.0f}/s, {} generated at {:.0f}/s",
                                 answer.usage.prompt_tokens, answer.usage.cached_tokens, prompt_speed(answer),
                                 answer.usage.generated_tokens, generation_speed(answer));
  if (answer.usage.drafted_tokens > 0)
    line += fmt::format(", {} of {} guesses right", answer.usage.accepted_tokens, answer.usage.drafted_tokens);
  return line;
}

}  // namespace hearth::cli
