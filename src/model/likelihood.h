// How likely a model finds given next tokens, from its final hidden states. Logits of the whole vocabulary, of which
// the sum of exponentials is made, are computed roughly, a slice at a time for as many rows as are asked about, and
// never kept; those of asked tokens, and of all that are likely, are then computed again, in float32.
#pragma once

#include <span>
#include <vector>

#include "model/model.h"
#include "ops/activation.h"

namespace hearth::model {

struct NextToken {
  std::size_t row = 0;  // of the hidden states
  Token token = 0;
  float log = 0;  // answered: nats
  bool likeliest = false;
};

class Likelihood {
 public:
  // Borrows `model`, which must give logits.
  explicit Likelihood(const Model& model);

  // `hidden` [rows, width] comes from Model::forward with ForwardOptions::hidden_states. Answers all that is asked.
  void answer(ThreadPool& pool, tensor::ConstRows hidden, std::span<NextToken> asked);

 private:
  struct Candidate {
    std::size_t token;
    float rough, exact;  // logits
  };
  // What is known of a row of hidden states.
  struct Row {
    std::span<NextToken* const> asked;
    std::vector<Candidate> likely;
  };

  void answer_block(ThreadPool& pool, tensor::ConstRows hidden, std::span<NextToken* const> asked);
  void note_likely(Row& row, const ops::ExponentialSum& sum, std::size_t begin, std::span<const float> logits) const;
  void answer_row(const float* hidden, Row& row, const ops::ExponentialSum& rough) const;
  float exact_logit(const float* hidden, std::size_t token, std::vector<float>& weights) const;

  const Model& model_;
  std::vector<float> hidden_, logits_;
  std::vector<ops::ExponentialSum> sums_;
  std::vector<Row> rows_;
};

}  // namespace hearth::model
