#include "engine/embed.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace hearth::engine {

namespace {

constexpr std::size_t batch_tokens = 2048;

Pooling pooling_of(const model::Model& model) {
  const gguf::Metadata& metadata = model.file().metadata();
  const std::string key = metadata.string("general.architecture") + ".pooling_type";
  if (!model.is_encoder() && metadata.integer(key, 0) == 0)
    throw Error(Code::unsupported, "the model is no encoder, and its file names no way to pool", metadata.origin(),
                "take an embedding model");
  switch (metadata.integer(key, 1)) {
    case 0:
    case 1:
      return Pooling::mean;
    case 2:
      return Pooling::cls;
    case 3:
      return Pooling::last;
    default:
      throw Error(Code::unsupported, fmt::format("pooling type {}", metadata.integer(key)), key);
  }
}

// A piece of a text, as the model reads it.
struct Chunk {
  std::size_t text;
  std::vector<Token> tokens;
};

// `tokens` in pieces of at most `limit`, each with the special tokens that the whole had at its ends.
std::vector<std::vector<Token>> cut(std::vector<Token> tokens, std::size_t limit, const text::Tokenizer& tokenizer) {
  if (tokens.size() <= limit) return {std::move(tokens)};
  const auto control = [&](Token token) { return tokenizer.kind(token) == text::TokenKind::control; };
  const auto first = std::find_if_not(tokens.begin(), tokens.end(), control);
  const auto last = std::find_if_not(tokens.rbegin(), std::make_reverse_iterator(first), control).base();
  const std::vector<Token> before(tokens.begin(), first), after(last, tokens.end());
  const std::size_t room = limit > before.size() + after.size() ? limit - before.size() - after.size() : 1;
  std::vector<std::vector<Token>> pieces;
  for (auto at = first; at < last;) {
    const auto end = at + std::min<std::ptrdiff_t>(std::ptrdiff_t(room), last - at);
    std::vector<Token> piece(before);
    piece.insert(piece.end(), at, end);
    piece.insert(piece.end(), after.begin(), after.end());
    pieces.push_back(std::move(piece));
    at = end;
  }
  return pieces;
}

void normalise(std::vector<float>& vector) {
  const double square = std::inner_product(vector.begin(), vector.end(), vector.begin(), 0.0);
  if (square <= 0) return;
  const auto factor = float(1 / std::sqrt(square));
  for (float& value : vector) value *= factor;
}

}  // namespace

Embedder::Embedder(std::shared_ptr<Engine> engine)
    : engine_(std::move(engine)), pooling_(pooling_of(engine_->model())) {}

std::vector<std::vector<float>> Embedder::embed(std::span<const std::string> texts, const EmbedOptions& options) {
  const model::Model& model = engine_->model();
  const std::size_t width = this->width(), limit = std::min(engine_->context_length(), model.context_length());
  if (options.dimensions > width)
    throw Error(Code::usage, fmt::format("{} dimensions asked for and the model gives {}", options.dimensions, width));

  std::vector<Chunk> pieces;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto tokens = engine_->tokenizer().encode(texts[i]);
    if (tokens.size() > limit && options.long_text == LongText::refuse)
      throw Error(Code::too_long,
                  fmt::format("text {} has {} tokens and the model reads {}", options.first + i, tokens.size(), limit));
    auto parts = cut(std::move(tokens), limit, engine_->tokenizer());
    if (options.long_text == LongText::truncate) parts.resize(1);
    for (auto& part : parts)
      if (!part.empty()) pieces.push_back({i, std::move(part)});
  }
  std::vector<const Chunk*> order;
  order.reserve(pieces.size());
  for (const Chunk& piece : pieces) order.push_back(&piece);
  std::stable_sort(order.begin(), order.end(),
                   [](const Chunk* a, const Chunk* b) { return a->tokens.size() < b->tokens.size(); });

  std::vector<std::vector<float>> vectors(texts.size(), std::vector<float>(width));
  std::vector<double> weight(texts.size());
  std::vector<float> out;
  const bool only_last = pooling_ == Pooling::last;
  for (auto begin = order.begin(); begin < order.end();) {
    std::vector<model::Segment> segments;
    std::vector<std::unique_ptr<model::KvCache>> caches;  // of a decoder
    std::size_t rows = 0, taken = 0;                      // tokens
    auto end = begin;
    for (; end < order.end() && (taken == 0 || taken + (*end)->tokens.size() <= batch_tokens); ++end) {
      const std::vector<Token>& tokens = (*end)->tokens;
      if (!model.is_encoder()) caches.push_back(model.new_cache(tokens.size(), engine_->options().kv_type));
      segments.push_back({.cache = model.is_encoder() ? nullptr : caches.back().get(),
                          .tokens = tokens,
                          .want = only_last ? model::Segment::Want::last : model::Segment::Want::all});
      rows += only_last ? 1 : tokens.size();
      taken += tokens.size();
    }
    out.resize(rows * width);
    engine_->forward(segments, {out.data(), rows, width}, {.hidden_states = true, .care = ops::Care::outliers});
    if (options.between) options.between();
    const float* row = out.data();
    for (; begin < end; ++begin) {
      const std::size_t count = only_last ? 1 : (*begin)->tokens.size();  // rows
      std::vector<float> pooled(width);
      if (pooling_ == Pooling::mean) {
        for (std::size_t i = 0; i < count; ++i)
          for (std::size_t j = 0; j < width; ++j) pooled[j] += row[i * width + j] / float(count);
      } else {
        const float* chosen = row + (pooling_ == Pooling::cls ? 0 : count - 1) * width;
        std::copy_n(chosen, width, pooled.begin());
      }
      if (options.normalise) normalise(pooled);  // so that each piece of a long text counts alike
      for (std::size_t j = 0; j < width; ++j) vectors[(*begin)->text][j] += pooled[j];
      ++weight[(*begin)->text];
      row += count * width;
    }
  }
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    if (weight[i] > 1)
      for (float& value : vectors[i]) value /= float(weight[i]);
    if (options.dimensions) vectors[i].resize(options.dimensions);
    if (options.normalise) normalise(vectors[i]);
  }
  return vectors;
}

}  // namespace hearth::engine
