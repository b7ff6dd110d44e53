// Guesses at what comes next, which the model then verifies in one batch: several tokens for little more than the price
// of one. Guesses are single tokens and not distributions, so "draw from the model; go on while the draw is the guess"
// is the rejection rule: what is generated has the distribution it has without guesses, and greedy text is the same.
// [speculative decoding: arXiv 2211.17192; prompt look-up: Saxena 2023]
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "base/types.h"
#include "model/model.h"
#include "text/tokenizer.h"

namespace hearth::engine {

class Drafter {
 public:
  virtual ~Drafter() = default;
  // What may follow `tokens`, all of the sequence so far: at most `most`, perhaps none. A sequence only grows.
  virtual std::vector<Token> propose(ThreadPool& pool, std::span<const Token> tokens, std::size_t most) = 0;
  // How many of the last proposal's tokens, from the front, came true.
  virtual void learn(std::size_t proposed, std::size_t accepted) = 0;
};

// What followed the last tokens where they stood before, in the prompt or the answer. Costs nothing to make.
std::unique_ptr<Drafter> prompt_lookup();

// The likeliest continuation by a smaller model. Throws unsupported where its vocabulary is not the same as
// `tokenizer`'s.
std::unique_ptr<Drafter> draft_model(std::shared_ptr<const model::Model> model, const text::Tokenizer& tokenizer);

// Lengthens guesses that come true, shortens those that do not, and rests where most fail.
class DraftLength {
 public:
  std::size_t next(std::size_t most) noexcept;  // 0: rest
  void learn(std::size_t proposed, std::size_t accepted) noexcept;

 private:
  double accepted_ = 0.6;  // share of recent guesses that came true
  double length_ = 4;
  std::size_t rest_ = 0;
};

}  // namespace hearth::engine
