// hearth.h for C++17: owners that close themselves, exceptions for errors, strings and vectors for pointers.
//
//   openhearth::Model model("model.gguf");
//   openhearth::Session session(model);
//   const auto answer = session.say("Why is the sky blue?", {}, [](std::string_view text, hearth_token) {
//     std::cout << text << std::flush;
//     return true;  // false: stop here
//   });
//
// Header only, over the C functions: what each call does, and what it may be called with, stands in hearth.h.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hearth/hearth.h"

namespace openhearth {

class Error : public std::runtime_error {
 public:
  Error(hearth_status status, const char* message) : std::runtime_error(message), status_(status) {}
  hearth_status status() const noexcept { return status_; }

 private:
  hearth_status status_;
};

namespace detail {

// Calls `function` with `arguments` and a place for the error.
template <class Function, class... Arguments>
void call(Function function, Arguments... arguments) {
  hearth_error* error = nullptr;
  const hearth_status status = function(arguments..., &error);
  if (status == HEARTH_OK) return;
  const std::unique_ptr<hearth_error, void (*)(hearth_error*)> owned(error, hearth_error_free);
  throw Error(status, hearth_error_message(error));
}

template <class Handle, void (*Close)(Handle*)>
class Owner {
 public:
  Owner() = default;
  Owner(Owner&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Owner& operator=(Owner&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Owner() { Close(handle_); }
  void close() { Close(handle_); }
  Handle* get() const noexcept { return handle_; }

 protected:
  Handle* handle_ = nullptr;
};

// A function of the library that gives text by pointer.
template <class Function, class... Arguments>
std::string text(Function function, Arguments... arguments) {
  char* bytes = nullptr;
  std::size_t length = 0;
  call(function, arguments..., &bytes, &length);
  std::string copy(bytes, length);
  hearth_free(bytes);
  return copy;
}

}  // namespace detail

class Cancellation : public detail::Owner<hearth_cancellation, hearth_cancellation_close> {
 public:
  Cancellation() { detail::call(hearth_cancellation_new, &handle_); }
  void cancel() { hearth_cancel(handle_); }
};

// The structs of hearth.h with their defaults set.
struct ModelOptions : hearth_model_options {
  ModelOptions() : hearth_model_options{} {
    detail::call(hearth_model_options_init, static_cast<hearth_model_options*>(this), sizeof(hearth_model_options));
  }
};
struct EmbedOptions : hearth_embed_options {
  EmbedOptions() : hearth_embed_options{} {
    detail::call(hearth_embed_options_init, static_cast<hearth_embed_options*>(this), sizeof(hearth_embed_options));
  }
};

// Strings live here; the rest is set on `options`.
struct GenerationOptions {
  GenerationOptions() { detail::call(hearth_generation_options_init, &options, sizeof options); }
  hearth_generation_options options{};
  std::vector<std::string> stop;
  std::vector<hearth_logit_bias> logit_bias;
  std::string grammar, json_schema, tools, template_variables;  // empty: none
};

struct Result {
  std::string text;
  std::vector<hearth_token> tokens;
  int finish_reason = HEARTH_FINISH_STOP;
  std::string stop_text;
  std::uint64_t seed = 0;
  std::size_t prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0;
  double prompt_seconds = 0, generation_seconds = 0;
};

class Model : public detail::Owner<hearth_model, hearth_model_close> {
 public:
  explicit Model(const std::string& path, const ModelOptions& options = {}) {
    detail::call(hearth_model_open, path.c_str(), static_cast<const hearth_model_options*>(&options), &handle_);
  }

  hearth_model_info info() const {
    hearth_model_info info{};
    info.struct_size = sizeof info;
    detail::call(hearth_model_get_info, handle_, &info);
    return info;
  }
  std::string metadata_json(std::size_t most_elements = 0) const {
    return taken([&](char** json) { detail::call(hearth_model_metadata_json, handle_, most_elements, json); });
  }
  std::string metadata(const std::string& key) const {  // as JSON
    return taken([&](char** json) { detail::call(hearth_model_metadata_get, handle_, key.c_str(), json); });
  }

  std::vector<hearth_token> tokenize(std::string_view text, std::uint32_t flags = HEARTH_ADD_SPECIAL) const {
    hearth_token* tokens = nullptr;
    std::size_t count = 0;
    detail::call(hearth_tokenize, handle_, text.data(), text.size(), flags, &tokens, &count);
    std::vector<hearth_token> copy(tokens, tokens + count);
    hearth_free(tokens);
    return copy;
  }
  std::size_t count_tokens(std::string_view text, std::uint32_t flags = HEARTH_ADD_SPECIAL) const {
    std::size_t count = 0;
    detail::call(hearth_count_tokens, handle_, text.data(), text.size(), flags, &count);
    return count;
  }
  std::string detokenize(const std::vector<hearth_token>& tokens, bool special = false) const {
    return detail::text(hearth_detokenize, handle_, tokens.data(), tokens.size(), std::int32_t(special));
  }
  std::string render_chat(const std::string& messages, const std::string& tools = {},
                          const std::string& variables = {}) const {
    return detail::text(hearth_render_chat, handle_, messages.c_str(), tools.empty() ? nullptr : tools.c_str(),
                        variables.empty() ? nullptr : variables.c_str());
  }

  std::vector<std::vector<float>> embed(const std::vector<std::string>& texts, const EmbedOptions& options = {}) const {
    std::vector<const char*> begins;
    std::vector<std::size_t> lengths;
    for (const std::string& text : texts) {
      begins.push_back(text.data());
      lengths.push_back(text.size());
    }
    hearth_embeddings* embeddings = nullptr;
    detail::call(hearth_embed, handle_, static_cast<const char* const*>(begins.data()),
                 static_cast<const std::size_t*>(lengths.data()), texts.size(),
                 static_cast<const hearth_embed_options*>(&options), &embeddings);
    std::vector<std::vector<float>> vectors;
    for (std::size_t i = 0; i < embeddings->count; ++i)
      vectors.emplace_back(embeddings->values + i * embeddings->width,
                           embeddings->values + (i + 1) * embeddings->width);
    hearth_embeddings_free(embeddings);
    return vectors;
  }

  std::vector<hearth_likelihood> score(const std::string& context,
                                       const std::vector<std::string>& continuations) const {
    std::vector<const char*> begins;
    for (const std::string& text : continuations) begins.push_back(text.c_str());
    std::vector<hearth_likelihood> likelihoods(continuations.size());
    detail::call(hearth_score, handle_, context.c_str(), static_cast<const char* const*>(begins.data()), begins.size(),
                 static_cast<const hearth_score_options*>(nullptr), likelihoods.data());
    return likelihoods;
  }

 private:
  template <class Give>
  static std::string taken(Give give) {
    char* json = nullptr;
    give(&json);
    std::string copy(json);
    hearth_free(json);
    return copy;
  }
};

class Adapter : public detail::Owner<hearth_adapter, hearth_adapter_close> {
 public:
  Adapter(const Model& model, const std::string& path) {
    detail::call(hearth_adapter_open, model.get(), path.c_str(), &handle_);
  }
};

class Session : public detail::Owner<hearth_session, hearth_session_close> {
 public:
  // False: stop here. What it throws ends the generation and comes out of the call.
  using OnPiece = std::function<bool(std::string_view text, hearth_token token)>;

  explicit Session(const Model& model, std::uint32_t context_length = 0) {
    hearth_session_options options{};
    options.struct_size = sizeof options;
    options.context_length = context_length;
    detail::call(hearth_session_open, model.get(), static_cast<const hearth_session_options*>(&options), &handle_);
  }

  Result complete(std::string_view text, const GenerationOptions& options = {}, const OnPiece& on_piece = {}) {
    return run(hearth_session_complete, options, on_piece, text.data(), text.size());
  }
  Result complete(const std::vector<hearth_token>& tokens, const GenerationOptions& options = {},
                  const OnPiece& on_piece = {}) {
    return run(hearth_session_complete_tokens, options, on_piece, tokens.data(), tokens.size());
  }
  Result chat(const std::string& messages, const GenerationOptions& options = {}, const OnPiece& on_piece = {}) {
    return run(hearth_session_chat, options, on_piece, messages.c_str());
  }
  Result say(std::string_view text, const GenerationOptions& options = {}, const OnPiece& on_piece = {}) {
    return run(hearth_session_say, options, on_piece, text.data(), text.size());
  }

  void cancel() { hearth_session_cancel(handle_); }
  void reset() { detail::call(hearth_session_reset, handle_); }
  void set_system(const std::string& text) { detail::call(hearth_session_set_system, handle_, text.c_str()); }
  void set_messages(const std::string& json) { detail::call(hearth_session_set_messages, handle_, json.c_str()); }
  std::string messages() const {
    char* json = nullptr;
    detail::call(hearth_session_messages, handle_, &json);
    std::string copy(json);
    hearth_free(json);
    return copy;
  }
  void set_adapters(const std::vector<std::pair<const Adapter*, float>>& adapters) {
    std::vector<hearth_adapter*> handles;
    std::vector<float> scales;
    for (const auto& [adapter, scale] : adapters) {
      handles.push_back(adapter->get());
      scales.push_back(scale);
    }
    detail::call(hearth_session_set_adapters, handle_, static_cast<hearth_adapter* const*>(handles.data()),
                 static_cast<const float*>(scales.data()), handles.size());
  }

 private:
  struct Listener {
    const OnPiece& on_piece;
    std::exception_ptr error;
  };
  static int listen(const char* text, std::size_t length, hearth_token token, void* user) {
    auto& listener = *static_cast<Listener*>(user);
    try {
      return listener.on_piece({text, length}, token) ? 0 : 1;
    } catch (...) {
      listener.error = std::current_exception();
      return 1;
    }
  }

  template <class Function, class... Prompt>
  Result run(Function function, const GenerationOptions& given, const OnPiece& on_piece, Prompt... prompt) {
    hearth_generation_options options = given.options;
    std::vector<const char*> stops;
    for (const std::string& stop : given.stop) stops.push_back(stop.c_str());
    options.stop = stops.data();
    options.stop_count = stops.size();
    options.logit_bias = given.logit_bias.data();
    options.logit_bias_count = given.logit_bias.size();
    const auto set = [](const std::string& text) { return text.empty() ? nullptr : text.c_str(); };
    options.grammar = set(given.grammar);
    options.json_schema = set(given.json_schema);
    options.tools = set(given.tools);
    options.template_variables = set(given.template_variables);

    Listener listener{on_piece, nullptr};
    hearth_result* result = nullptr;
    detail::call(function, handle_, prompt..., static_cast<const hearth_generation_options*>(&options),
                 on_piece ? &Session::listen : static_cast<hearth_on_piece>(nullptr), static_cast<void*>(&listener),
                 &result);
    const std::unique_ptr<hearth_result, void (*)(hearth_result*)> owned(result, hearth_result_free);
    if (listener.error) std::rethrow_exception(listener.error);
    Result copy;
    copy.text.assign(result->text, result->text_length);
    copy.tokens.assign(result->tokens, result->tokens + result->token_count);
    copy.finish_reason = result->finish_reason;
    if (result->stop_text) copy.stop_text = result->stop_text;
    copy.seed = result->seed;
    copy.prompt_tokens = result->prompt_tokens;
    copy.cached_tokens = result->cached_tokens;
    copy.generated_tokens = result->generated_tokens;
    copy.prompt_seconds = result->prompt_seconds;
    copy.generation_seconds = result->generation_seconds;
    return copy;
  }
};

}  // namespace openhearth
