#include <array>
#include <functional>
#include <optional>

#include "capi/arguments.h"
#include "capi/cancellation.h"
#include "capi/session.h"
#include "capi/template_variables.h"
#include "sample/gbnf.h"
#include "sample/json_schema.h"

using namespace hearth;
using namespace hearth::capi;

namespace {

constexpr std::size_t options_v1 = sizeof(hearth_generation_options);

hearth_generation_options defaults() {
  const sample::Options sampling;
  hearth_generation_options options{};
  options.struct_size = sizeof options;
  options.temperature = sampling.temperature;
  options.top_k = sampling.top_k;
  options.top_p = sampling.top_p;
  options.min_p = sampling.min_p;
  options.typical_p = sampling.typical_p;
  options.repeat_penalty = sampling.repeat_penalty;
  options.frequency_penalty = sampling.frequency_penalty;
  options.presence_penalty = sampling.presence_penalty;
  options.penalty_window = sampling.penalty_window;
  return options;
}

std::unique_ptr<sample::Constraint> constraint(const engine::Engine& engine, const hearth_generation_options& options) {
  if (options.grammar && options.json_schema)
    throw Error(Code::usage, "both grammar and json_schema are given", {}, "take one");
  if (!options.grammar && !options.json_schema) return nullptr;
  const auto grammar = options.grammar ? sample::parse_gbnf(utf8(options.grammar, "grammar"))
                                       : sample::from_json_schema(any_json(options.json_schema, "json_schema"));
  return sample::grammar_constraint(engine.token_table(), grammar);
}

// Everything but the prompt.
engine::Request request(const engine::Engine& engine, const hearth_generation_options& options) {
  engine::Request request;
  request.max_tokens = options.max_tokens;
  request.sampling.temperature = options.temperature;
  request.sampling.top_k = options.top_k;
  request.sampling.top_p = options.top_p;
  request.sampling.min_p = options.min_p;
  request.sampling.typical_p = options.typical_p;
  request.sampling.repeat_penalty = options.repeat_penalty;
  request.sampling.frequency_penalty = options.frequency_penalty;
  request.sampling.presence_penalty = options.presence_penalty;
  request.sampling.penalty_window = options.penalty_window;
  request.sampling.seed = options.seed;
  if (options.logit_bias_count > 0) need(options.logit_bias, "logit_bias");
  for (const auto& [token, bias] : std::span(options.logit_bias, options.logit_bias_count)) {
    if (token < 0 || std::size_t(token) >= engine.model().vocabulary_size())
      throw Error(Code::usage, fmt::format("logit_bias names token {} of {}", token, engine.model().vocabulary_size()));
    request.sampling.logit_bias[token] = bias;
  }
  if (options.stop_count > 0) need(options.stop, "stop");
  for (const char* text : std::span(options.stop, options.stop_count)) request.stop.emplace_back(utf8(text, "stop"));
  request.sampling.check();
  request.constraint = constraint(engine, options);
  request.ignore_end = options.ignore_end != 0;
  request.special_text = options.special_text != 0;
  return request;
}

// A result and all that its pointers point to.
struct OwnedResult : hearth_result {
  explicit OwnedResult(engine::Answer answer) : hearth_result{}, kept(std::move(answer)) {
    struct_size = sizeof(hearth_result);
    text = kept.text.c_str();
    text_length = kept.text.size();
    tokens = kept.tokens.data();
    token_count = kept.tokens.size();
    stop_text = kept.stop_string.empty() ? nullptr : kept.stop_string.c_str();
    seed = kept.seed;
    prompt_tokens = kept.usage.prompt_tokens;
    cached_tokens = kept.usage.cached_tokens;
    generated_tokens = kept.usage.generated_tokens;
    prompt_seconds = kept.timings.prompt_seconds;
    generation_seconds = kept.timings.generation_seconds;
    finish_reason = kept.reason == engine::FinishReason::stop     ? HEARTH_FINISH_STOP
                    : kept.reason == engine::FinishReason::length ? HEARTH_FINISH_LENGTH
                                                                  : HEARTH_FINISH_CANCELLED;
  }
  OwnedResult(const OwnedResult&) = delete;
  OwnedResult& operator=(const OwnedResult&) = delete;

  const engine::Answer kept;
};

// What the four ways to an answer share.
struct Call {
  hearth_session* session;
  const hearth_generation_options* options;
  hearth_on_piece on_piece;
  void* user;
  hearth_result** result;
  hearth_error** error;

  // `answer`(chat, options, request, sink) gives an engine::Answer.
  template <class Answer>
  hearth_status run(Answer&& answer) const {
    return guard(error, [&] {
      if (result) *result = nullptr;
      const auto given = read(options, defaults(), options_v1, "hearth_generation_options");
      Session::Use use(get(session));
      std::optional<std::stop_callback<std::function<void()>>> link;
      const auto cancellation = given.cancellation ? get(given.cancellation) : nullptr;
      if (cancellation) link.emplace(cancellation->source.get_token(), [&use] { use.stop().request_stop(); });
      engine::Chat& chat = use.chat();
      auto asked = request(chat.session().engine(), given);
      asked.cancel = use.stop().get_token();
      engine::Sink sink;
      std::string text;  // ends with a NUL, as a Piece's need not
      if (on_piece)
        sink = [&](const engine::Piece& piece) {
          text = piece.text;
          return on_piece(text.c_str(), text.size(), piece.token, user) == 0 && (!cancellation || cancellation->kept());
        };
      auto owned = std::make_unique<OwnedResult>(answer(chat, given, std::move(asked), sink));
      if (result) *result = owned.release();
    });
  }
};

}  // namespace

hearth_status hearth_generation_options_init(hearth_generation_options* options, size_t struct_size,
                                             hearth_error** error) {
  return guard(error, [&] { write(options, struct_size, defaults(), options_v1, "hearth_generation_options"); });
}

void hearth_result_free(hearth_result* result) {
  delete static_cast<OwnedResult*>(result);
}

hearth_status hearth_session_complete(hearth_session* session, const char* text, size_t length,
                                      const hearth_generation_options* options, hearth_on_piece on_piece, void* user,
                                      hearth_result** result, hearth_error** error) {
  return Call{session, options, on_piece, user, result, error}.run(
      [&](engine::Chat& chat, const hearth_generation_options& given, engine::Request asked, const engine::Sink& sink) {
        asked.prompt = chat.session().engine().tokenizer().encode(
            utf8(text, length, "text"), {.goes_on = true, .parse_special = given.parse_special != 0});
        return chat.session().generate(std::move(asked), sink);
      });
}

hearth_status hearth_session_complete_tokens(hearth_session* session, const hearth_token* tokens, size_t count,
                                             const hearth_generation_options* options, hearth_on_piece on_piece,
                                             void* user, hearth_result** result, hearth_error** error) {
  return Call{session, options, on_piece, user, result, error}.run(
      [&](engine::Chat& chat, const hearth_generation_options&, engine::Request asked, const engine::Sink& sink) {
        if (count > 0) need(tokens, "tokens");
        asked.prompt.assign(tokens, tokens + count);
        return chat.session().generate(std::move(asked), sink);
      });
}

hearth_status hearth_session_chat(hearth_session* session, const char* messages,
                                  const hearth_generation_options* options, hearth_on_piece on_piece, void* user,
                                  hearth_result** result, hearth_error** error) {
  return Call{session, options, on_piece, user, result, error}.run(
      [&](engine::Chat& chat, const hearth_generation_options& given, engine::Request asked, const engine::Sink& sink) {
        asked.prompt =
            engine::encode_chat(chat.session().engine(), json(messages, nlohmann::json::value_t::array, "messages"),
                                template_variables(given.tools, given.template_variables));
        return chat.session().generate(std::move(asked), sink);
      });
}

hearth_status hearth_session_say(hearth_session* session, const char* text, size_t length,
                                 const hearth_generation_options* options, hearth_on_piece on_piece, void* user,
                                 hearth_result** result, hearth_error** error) {
  return Call{session, options, on_piece, user, result, error}.run(
      [&](engine::Chat& chat, const hearth_generation_options& given, engine::Request asked, const engine::Sink& sink) {
        return chat.say(utf8(text, length, "text"), std::move(asked), sink,
                        template_variables(given.tools, given.template_variables));
      });
}
