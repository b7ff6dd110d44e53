// From logits to a token: a chain of filters, then a draw.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/types.h"

namespace hearth::sample {

// Every option's neutral value switches its filter off. They act in this order, each on what the one before left:
// logit bias, penalties, constraint, top-k, typical, top-p, min-p, temperature. The probabilities that typical, top-p
// and min-p look at are those at temperature 1.
struct Options {
  float temperature = 0.8f;        // 0: greedy
  std::int32_t top_k = 40;         // 0: all
  float top_p = 0.95f;             // 1: all                          [arXiv 1904.09751]
  float min_p = 0.05f;             // 0: all                          [arXiv 2407.01082]
  float typical_p = 1.0f;          // 1: all                          [arXiv 2202.00666]
  float repeat_penalty = 1.0f;     // 1: none                         [arXiv 1909.05858]
  float frequency_penalty = 0.0f;  // 0: none (OpenAI's definition)
  float presence_penalty = 0.0f;
  std::int32_t penalty_window = 64;        // last tokens that penalties look at; -1: all
  std::map<Token, float> logit_bias = {};  // added first; -infinity bans
  std::uint64_t seed = 0;                  // 0: from the system

  // Throws usage naming the option whose value makes no sense.
  void check() const;
};

// What may come next, beside the model's own opinion: a grammar, a schema.
class Constraint {
 public:
  virtual ~Constraint() = default;
  // Sets the logits of tokens that may not come next to -infinity; leaves the others. Throws where that is all of them.
  virtual void mask(std::span<float> logits) = 0;
  // False where the token may not come next, as mask says; cheap, used to test candidates before masking all.
  virtual bool allows(Token token) = 0;
  virtual void accept(Token token) = 0;
  // At most so many tokens will be taken, the next one included: mask and allows then leave those after which there is
  // still a way to an end. Where even the shortest that is known is too long, all that may come may come.
  virtual void limit(std::size_t tokens) = 0;
  // True where nothing more may come: generation must end.
  virtual bool complete() const = 0;
  virtual std::unique_ptr<Constraint> clone() const = 0;
};

class Sampler {
 public:
  // Throws as Options::check.
  explicit Sampler(const Options& options);

  // Draws from `logits` [vocabulary, at least one], which it changes. Total: any values, NaN included, give some
  // allowed token; a token that is banned or whose logit is NaN only comes where nothing else may. The distribution is
  // that of masking with `constraint` first, whatever the filters: masking all is only put off until a candidate is
  // refused. The same seed, options, logits and constraint draw the same token. Throws what the constraint throws.
  Token pick(std::span<float> logits, Constraint* constraint = nullptr);
  // Tells the penalties (and nothing else) what was taken, prompt tokens included.
  void accept(Token token);
  std::uint64_t seed() const noexcept { return seed_; }
  // How many of the greatest logits decide what `pick` without a constraint draws, whatever the others are as long as
  // they are lower; 0 where all do.
  std::size_t needed() const;

 private:
  struct Candidate {
    Token token;
    float logit;
  };

  void adjust(std::span<float> logits) const;
  void gather_top(std::span<const float> logits, std::size_t count);
  void gather_all(std::span<const float> logits);
  void gather(std::span<float> logits, std::size_t count, Constraint* constraint);
  double weigh(double temperature);
  template <class Before>
  void keep_mass(double share, double total, Before before);
  void keep_typical();
  void keep_top_p();
  void keep_min_p();
  Token draw();
  bool penalises() const noexcept;

  Options options_;
  std::uint64_t seed_;
  std::mt19937_64 random_;
  std::deque<Token> window_;                       // what penalties look at
  std::unordered_map<Token, std::size_t> counts_;  // of each token in it
  std::vector<Candidate> candidates_;
  std::vector<float> weights_;  // of each candidate, the largest 1
};

}  // namespace hearth::sample
