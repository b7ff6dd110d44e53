// What a model whose weights are being replaced predicts of a text.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "base/types.h"
#include "model/model.h"
#include "tensor/view.h"

namespace hearth::compress {

class Predictions {
 public:
  // The text is cut into chunks of `context` tokens, each beginning with `bos` (where there is one); the first
  // `skipped` of a chunk are read without a prediction. What does not fill a chunk at the end is left out.
  Predictions(const model::Model& model, ThreadPool& pool, std::span<const Token> text, Token bos, std::size_t context,
              std::size_t skipped);

  // Calls `take(at, rows)`, piece by piece: rows are log-probabilities [vocabulary] of what follows tokens()[at],
  // tokens()[at + 1], ...
  void run(const std::function<void(std::size_t at, tensor::ConstRows rows)>& take);

  // The layers before `layer` stay as they are from here on: what they make of the text is kept, and they are not run
  // again.
  void advance_to(std::size_t layer);

  const std::vector<Token>& tokens() const noexcept { return tokens_; }

 private:
  void forward(std::size_t at, std::size_t count, model::Segment::Want want, tensor::Rows out, std::size_t end);

  const model::Model& model_;
  ThreadPool& pool_;
  std::size_t context_, skipped_;
  std::vector<Token> tokens_;
  std::unique_ptr<model::KvCache> cache_;
  std::shared_ptr<model::Model::Scratch> scratch_;
  std::vector<float> logits_;
  std::size_t layer_ = 0;
  std::vector<float> stream_;  // [tokens, width]: what enters `layer_`, unless that is the first
};

}  // namespace hearth::compress
