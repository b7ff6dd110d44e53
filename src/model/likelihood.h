// How likely a model finds given next tokens, from its final hidden states: logits are computed a slice of the
// vocabulary at a time, for as many rows as are asked about, and never kept.
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
  void answer_block(ThreadPool& pool, tensor::ConstRows hidden, std::span<NextToken* const> asked);

  const Model& model_;
  std::vector<float> rows_, logits_;
  std::vector<ops::ExponentialSum> sums_;
};

}  // namespace hearth::model
