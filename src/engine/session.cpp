#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "engine/engine.h"
#include "engine/sequence.h"

namespace hearth::engine {

Session::Session(std::shared_ptr<Engine> engine, std::size_t context) : engine_(std::move(engine)) {
  if (engine_->model().is_encoder())
    throw Error(Code::unsupported, "the model is an encoder and writes no text",
                engine_->model().file().metadata().origin(), "use it for embeddings");
  cache_ = engine_->model().new_cache(context ? context : engine_->context_length(), engine_->options().kv_type);
}

Session::~Session() = default;
Session::Session(Session&&) noexcept = default;

void Session::clear() {
  cache_->truncate(0);
  tokens_.clear();
}

void Session::set_adapters(std::vector<AdapterUse> adapters) {
  if (adapters == adapters_) return;
  clear();
  adapters_ = std::move(adapters);
}

Answer Session::generate(Request request, const Sink& sink) {
  const auto& prompt = request.prompt;
  request.sampling.check();
  if (prompt.empty()) throw Error(Code::usage, "the prompt is empty", {}, "give at least one token");
  for (Token token : prompt)
    if (token < 0 || std::size_t(token) >= engine_->model().vocabulary_size())
      throw Error(Code::usage,
                  fmt::format("token {} is not in the vocabulary of {}", token, engine_->model().vocabulary_size()));
  if (prompt.size() >= cache_->capacity())
    throw Error(Code::too_long,
                fmt::format("the prompt has {} tokens and the context holds {}", prompt.size(), cache_->capacity()), {},
                "shorten it or raise the context");

  // What the cache holds of this prompt stays; one token must be run to have something to draw from.
  const auto differs = std::mismatch(tokens_.begin(), tokens_.end(), prompt.begin(), prompt.end()).first;
  const std::size_t kept = std::min({std::size_t(differs - tokens_.begin()), prompt.size() - 1, cache_->used()});
  cache_->truncate(kept);
  tokens_.resize(kept);

  Sequence sequence(*engine_, *cache_, tokens_, adapters_, std::move(request));
  engine_->run(sequence, sink);
  return sequence.take_answer();
}

}  // namespace hearth::engine
