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
  Sequence(const Engine& engine, model::KvCache& cache, std::vector<Token>& held, std::span<const AdapterUse> adapters,
           Request request);

  // The side of whoever turns the wheel.
  bool generating() const noexcept { return fed_ >= request_.prompt.size(); }
  const std::vector<AdapterUse>& adapters() const noexcept { return adapters_; }
  // At most `budget` tokens to run: of the prompt, whose last asks for logits, or the one drawn last and guesses at
  // what follows it. Makes room in a full cache where the engine is to shift.
  model::Segment next(const model::Model& model, ThreadPool& pool, std::size_t budget);
  // How many of the greatest logits it needs in each row it asks for; 0: all.
  std::size_t needed() const { return request_.constraint ? 0 : sampler_.needed(); }
  // The model has run `count` tokens; draws from the rows that asked.
  void take(std::size_t count, tensor::Rows logits);
  bool cancel_asked() const noexcept { return cancelled || request_.cancel.stop_requested(); }
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
  void make_room(const model::Model& model, ThreadPool& pool);
  void accept(std::span<float> logits);  // draws a token
  std::size_t tokens_left() const;
  void end(FinishReason reason);
  void emit(std::string text, Token token);

  const text::Tokenizer* tokenizer_;  // null where the file has none: no text then
  const EngineOptions& options_;
  model::KvCache& cache_;
  std::vector<Token>& held_;
  std::vector<AdapterUse> adapters_;
  Request request_;
  sample::Sampler sampler_;
  sample::StopStrings stops_;
  std::optional<text::Detokenizer> detokenizer_;
  std::size_t fed_;             // prompt tokens in the cache
  std::vector<Token> all_;      // prompt and answer, for the drafter
  std::vector<Token> pending_;  // being run: the token drawn last, then guesses
  Token drawn_ = no_token;      // to be fed next
  std::vector<Delta> fresh_;    // drawn in this turn
  bool ended_ = false;
  std::exception_ptr error_;
  Answer answer_;
  Clock::time_point started_ = Clock::now(), first_drawn_ = started_;
};

}  // namespace hearth::engine
