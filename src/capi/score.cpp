#include "engine/score.h"

#include "capi/arguments.h"
#include "capi/cancellation.h"
#include "capi/model.h"

using namespace hearth;
using namespace hearth::capi;

namespace {

constexpr std::size_t options_v1 = sizeof(hearth_score_options);

hearth_score_options defaults() {
  hearth_score_options options{};
  options.struct_size = sizeof options;
  return options;
}

// Their shared beginning is computed once.
std::vector<engine::Likelihood> score(engine::Engine& engine, std::vector<engine::Continuation> continuations,
                                      const hearth_score_options& options) {
  const Watch watch(options.on_progress, options.user, options.cancellation);
  watch.reach(0);
  const std::vector<std::vector<engine::Continuation>> groups{std::move(continuations)};
  return engine::score(engine, groups, {.progress = [&](std::size_t done) { return watch.goes_on(double(done)); }})[0];
}

hearth_likelihood likelihood(const engine::Likelihood& value, std::size_t tokens) {
  return {value.log, std::uint32_t(tokens), value.greedy};
}

}  // namespace

hearth_status hearth_score_options_init(hearth_score_options* options, size_t struct_size, hearth_error** error) {
  return guard(error, [&] { write(options, struct_size, defaults(), options_v1, "hearth_score_options"); });
}

hearth_status hearth_score(hearth_model* model, const char* context, const char* const* continuations, size_t count,
                           const hearth_score_options* options, hearth_likelihood* likelihoods, hearth_error** error) {
  return guard(error, [&] {
    const auto opened = get(model);
    const auto given = read(options, defaults(), options_v1, "hearth_score_options");
    if (count == 0) return;
    need(continuations, "continuations");
    need(likelihoods, "likelihoods");
    engine::Engine& engine = *opened->engine();
    const std::string before(utf8(context, "context"));
    const auto encode = [&](std::string_view text) { return engine.tokenizer().encode(text, {.goes_on = true}); };
    const std::size_t from = encode(before).size();
    std::vector<engine::Continuation> all;
    std::vector<std::size_t> scored;
    for (const char* text : std::span(continuations, count)) {
      const std::string after(utf8(text, "a continuation"));
      all.push_back({encode(before + after), from});
      const std::size_t tokens = all.back().tokens.size();
      if (from > 0 && tokens <= from)  // "hel" and "lo" may be one token
        throw Error(Code::usage, "continuation '" + after + "' adds no token to its context", {},
                    "let the context end where a word does");
      scored.push_back(tokens - from);
    }
    const auto results = score(engine, std::move(all), given);
    for (std::size_t i = 0; i < count; ++i) likelihoods[i] = likelihood(results[i], scored[i]);
  });
}

hearth_status hearth_score_tokens(hearth_model* model, const hearth_token* tokens, size_t count, size_t from,
                                  const hearth_score_options* options, hearth_likelihood* result,
                                  hearth_error** error) {
  return guard(error, [&] {
    const auto opened = get(model);
    const auto given = read(options, defaults(), options_v1, "hearth_score_options");
    need(result, "likelihood");
    if (count > 0) need(tokens, "tokens");
    const auto results = score(*opened->engine(), {{{tokens, tokens + count}, from}}, given);
    *result = likelihood(results[0], count - from);
  });
}
