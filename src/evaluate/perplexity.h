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

// Of the model from the reference, over the same positions: KL(reference || model), nats.
struct Divergence {
  double mean = 0, error = 0;  // with its standard error
  double median = 0, percentile_99 = 0, maximum = 0;
  double top_agreement = 0, top_agreement_error = 0;  // share of positions where both hold the same token likeliest
  double reference_perplexity = 0, reference_error = 0;
};

struct Perplexity {
  double value = 0;        // exp of the mean negative log-likelihood
  double error = 0;        // standard error, carried through the exponential
  std::size_t tokens = 0;  // scored
  std::size_t chunks = 0;
  std::optional<Divergence> against;
};

// `tokens` is the whole text, encoded; where the tokenizer adds a BOS, each chunk's first token is replaced by it.
// `reference` may be null; its vocabulary must be the model's. `progress` hears of finished chunks and returns false to
// stop there. Throws bad_input where the text does not fill one chunk or vocabularies differ, usage for a context below
// 4, too_long for one that the model does not hold.
Perplexity perplexity(
    engine::Engine& engine, std::span<const Token> tokens, const PerplexityOptions& options = {},
    engine::Engine* reference = nullptr,
    const std::function<bool(std::size_t done, std::size_t of, const Perplexity& so_far)>& progress = {});

}  // namespace hearth::evaluate
