// How well a model predicts a text, and how far it has drifted from another.
#pragma once

#include <functional>
#include <optional>
#include <span>

#include "engine/engine.h"

namespace hearth::evaluate {

struct PerplexityOptions {
  std::size_t context = 512;  // tokens in a chunk; the second half of each is scored, as llama.cpp does
  std::size_t chunks = 0;     // 0: all that fit
};

struct Divergence {          // of the model from the reference, over the same positions
  double mean = 0;           // Kullback-Leibler divergence KL(reference || model), nats
  double error = 0;          // standard error of the mean
  double top_agreement = 0;  // share of positions where both hold the same token likeliest
  double reference_perplexity = 0;
};

struct Perplexity {
  double value = 0;        // exp of the mean negative log-likelihood
  double error = 0;        // standard error, carried through the exponential
  std::size_t tokens = 0;  // scored
  std::size_t chunks = 0;
  std::optional<Divergence> against;
};

// `tokens` is the whole text, encoded; where the tokenizer adds a BOS, each chunk's first token is replaced by it.
// `reference` may be null; its vocabulary must be the model's. `progress` hears of each finished chunk and returns
// false to stop there. Throws too_long where the text does not fill one chunk, usage for a context below 4.
Perplexity perplexity(
    engine::Engine& engine, std::span<const Token> tokens, const PerplexityOptions& options = {},
    engine::Engine* reference = nullptr,
    const std::function<bool(std::size_t done, std::size_t of, const Perplexity& so_far)>& progress = {});

}  // namespace hearth::evaluate
