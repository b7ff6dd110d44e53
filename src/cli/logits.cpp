// hearth logits: raw logits after given tokens, or the hidden state of an encoder. Always JSON.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "cli/options.h"

namespace hearth::cli {

namespace {

std::vector<std::int64_t> parse_list(const std::string& text, const char* option) {
  std::vector<std::int64_t> numbers;
  const char* at = text.data();
  const char* end = at + text.size();
  while (true) {
    std::int64_t number = 0;
    const auto [next, fault] = std::from_chars(at, end, number);
    if (fault != std::errc{} || (next != end && *next != ','))
      throw Error(Code::usage, "not a list of numbers", fmt::format("{} {}", option, text), "write 1,2,3");
    numbers.push_back(number);
    if (next == end) return numbers;
    at = next + 1;
  }
}

struct Logits {
  ModelOptions model;
  std::string tokens, positions;

  void operator()() {
    const auto ids = parse_list(tokens, "--tokens");
    const auto engine = model.open();
    const model::Model& m = engine->model();
    for (std::int64_t id : ids)
      if (id < 0 || std::uint64_t(id) >= m.vocabulary_size())
        throw Error(Code::usage, fmt::format("token {} is not in the vocabulary of {}", id, m.vocabulary_size()),
                    "--tokens");
    if (ids.size() > engine->context_length())
      throw Error(Code::too_long,
                  fmt::format("{} tokens and the context holds {}", ids.size(), engine->context_length()), "--tokens");
    const auto wanted =
        positions.empty() ? std::vector{std::int64_t(ids.size()) - 1} : parse_list(positions, "--positions");
    for (std::int64_t position : wanted)
      if (position < 0 || std::size_t(position) >= ids.size())
        throw Error(Code::usage, fmt::format("position {} is not among {} tokens", position, ids.size()),
                    "--positions");

    const std::vector<Token> input(ids.begin(), ids.end());
    const std::size_t width = m.is_encoder() ? m.width() : m.vocabulary_size();
    nlohmann::ordered_json rows = nlohmann::ordered_json::object();
    const auto keep = [&](std::int64_t position, const float* row) {
      rows[std::to_string(position)] = std::vector<float>(row, row + width);
    };
    if (m.is_encoder()) {  // sees everything at once
      std::vector<float> out(input.size() * width);
      const model::Segment segment{.tokens = input, .want = model::Segment::Want::all};
      engine->forward({&segment, 1}, {out.data(), input.size(), width});
      for (std::int64_t position : wanted) keep(position, out.data() + std::size_t(position) * width);
    } else {  // up to each wanted position in turn: memory for one row at a time
      const auto cache = m.new_cache(input.size(), engine->options().kv_type);
      std::vector<std::int64_t> order(wanted);
      std::sort(order.begin(), order.end());
      std::vector<float> out(width);
      for (std::int64_t position : order) {
        if (std::size_t(position) < cache->used()) continue;  // named twice
        const auto next = std::span(input).subspan(cache->used(), std::size_t(position) + 1 - cache->used());
        const model::Segment segment{.cache = cache.get(), .tokens = next};
        engine->forward({&segment, 1}, {out.data(), 1, width});
        keep(position, out.data());
      }
    }
    print_json({{m.is_encoder() ? "hidden" : "logits", rows}});
  }
};

}  // namespace

void add_logits(CLI::App& app) {
  auto* command = app.add_subcommand("logits", "raw logits, or an encoder's hidden state, as JSON");
  auto run = std::make_shared<Logits>();
  run->model.cache_type = "f32";  // exact, unless asked otherwise
  run->model.add_to(*command);
  run->model.add_rope_to(*command);
  command->add_option("--tokens", run->tokens, "ids, as 1,2,3")->required();
  command->add_option("--positions", run->positions, "after which of them (default: the last)");
  command->add_flag_callback(
      "--json", [] {}, "the result is JSON anyway");
  command->callback([run] { (*run)(); });
}

}  // namespace hearth::cli
