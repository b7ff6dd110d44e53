// One answer on its way: what to feed next, what came of it, when it is over. Owned by Session::generate.
#pragma once

#include <chrono>
#include <deque>
#include <exception>
#include <optional>

#include "engine/engine.h"
#include "sample/stop_strings.h"

namespace hearth::engine {

class Sequence {
 public:
  // `held` are the tokens in `cache`; the prompt's first cache.used() tokens are those.
  Sequence(const Engine& engine, model::KvCache& cache, std::vector<Token>& held, Request request);

  // The side of whoever turns the wheel.
  bool generating() const noexcept { return fed_ >= request_.prompt.size(); }
  model::Segment next(std::size_t budget);  // at most `budget` tokens; asks for logits with the last of the prompt
  void fed(std::size_t count);              // the model has run them
  void accept(std::span<float> logits);     // draws a token from the position that asked
  void cancel();
  void fail(std::exception_ptr error) noexcept;

  // Under the engine's mutex: what was drawn in this turn becomes visible to the caller.
  void publish();

  // The side of the caller, under the engine's mutex.
  std::atomic<bool> cancelled{false};
  bool over = false;  // set by the wheel, under the mutex, when it will not touch this sequence again
  struct Delta {
    std::string text;
    Token token;
  };
  std::deque<Delta> deltas;  // drawn, not yet told

  bool ended() const noexcept { return ended_; }
  Answer take_answer();  // throws what fail was given

 private:
  using Clock = std::chrono::steady_clock;
  void end(FinishReason reason);
  void emit(std::string text, Token token);

  const text::Tokenizer* tokenizer_;  // null where the file has none: no text then
  model::KvCache& cache_;
  std::vector<Token>& held_;
  Request request_;
  sample::Sampler sampler_;
  sample::StopStrings stops_;
  std::optional<text::Detokenizer> detokenizer_;
  std::size_t fed_;           // prompt tokens in the cache
  Token drawn_ = no_token;    // to be fed next
  std::vector<Delta> fresh_;  // drawn in this turn
  bool ended_ = false;
  std::exception_ptr error_;
  Answer answer_;
  Clock::time_point started_ = Clock::now(), first_drawn_ = started_;
};

}  // namespace hearth::engine
