// From logits to a token: a chain of filters, then a draw.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "base/types.h"

namespace hearth::sample {

// Every option's neutral value switches its filter off.
struct Options {
  float temperature = 0.8f;          // 0: greedy
  std::int32_t top_k = 40;           // 0: all
  float top_p = 0.95f;               // 1: all                          [arXiv 1904.09751]
  float min_p = 0.05f;               // 0: all                          [arXiv 2407.01082]
  float typical_p = 1.0f;            // 1: all                          [arXiv 2202.00666]
  float repeat_penalty = 1.0f;       // 1: none                         [arXiv 1909.05858]
  float frequency_penalty = 0.0f;    // 0: none (OpenAI's definition)
  float presence_penalty = 0.0f;
  std::int32_t penalty_window = 64;  // last tokens that penalties look at; -1: all
  std::map<Token, float> logit_bias; // added first; -infinity bans
  std::uint64_t seed = 0;            // 0: from the system

  // Throws usage naming the option whose value makes no sense.
  void check() const;
};

// What may come next, beside the model's own opinion: a grammar, a schema.
class Constraint {
 public:
  virtual ~Constraint() = default;
  // Sets the logits of tokens that may not come next to -infinity.
  virtual void mask(std::span<float> logits) = 0;
  // False where the token may not come next; cheap, used to test one candidate before masking all.
  virtual bool allows(Token token) = 0;
  virtual void accept(Token token) = 0;
  // True where nothing more may come: generation must end.
  virtual bool complete() const = 0;
  virtual std::unique_ptr<Constraint> clone() const = 0;
};

class Sampler {
 public:
  explicit Sampler(const Options& options);

  // Draws from `logits` [vocabulary], which it changes. Total: any values, NaN included, give some allowed token.
  Token pick(std::span<float> logits, Constraint* constraint = nullptr);
  // Tells the penalties (and nothing else) what was taken, prompt tokens included.
  void accept(Token token);
  std::uint64_t seed() const noexcept { return seed_; }

 private:
  Options options_;
  std::uint64_t seed_;
  std::mt19937_64 random_;
  std::vector<Token> history_;
  struct Candidate {
    Token token;
    float logit;
  };
  std::vector<Candidate> candidates_;
};

}  // namespace hearth::sample
