#include "engine/drafter.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "base/error.h"

namespace hearth::engine {

namespace {

constexpr double memory = 0.9;        // of DraftLength, a guess
constexpr double worth_while = 0.25;  // below this share a verified guess costs more than it brings
constexpr std::size_t rest_tokens = 24;
constexpr double longest = 7;  // with the token that is fed anyway, what products still do in one pass over the weights

class PromptLookup final : public Drafter {
 public:
  std::vector<Token> propose(ThreadPool&, std::span<const Token> tokens, std::size_t most) override {
    for (; indexed_ < tokens.size(); ++indexed_)  // the last n tokens themselves are not in the index yet
      for (Index& index : indices_)
        if (indexed_ >= index.length)
          index.after[key(tokens.subspan(indexed_ - index.length, index.length))] = indexed_;
    const std::size_t count = length_.next(most);
    if (count == 0) return {};
    for (Index& index : indices_) {
      if (tokens.size() < index.length) continue;
      const auto found = index.after.find(key(tokens.last(index.length)));
      if (found == index.after.end()) continue;
      const auto follows = tokens.subspan(found->second);
      const std::size_t take = std::min({count, follows.size(), index.most});
      return {follows.begin(), follows.begin() + std::ptrdiff_t(take)};
    }
    return {};
  }
  void learn(std::size_t proposed, std::size_t accepted) override { length_.learn(proposed, accepted); }

 private:
  struct Index {
    std::size_t length, most;
    std::unordered_map<std::uint64_t, std::size_t> after = {};  // n tokens -> where their last occurrence ended
  };
  // A clash of hashes only makes a poor guess.
  static std::uint64_t key(std::span<const Token> tokens) {
    std::uint64_t hash = 0;
    for (const Token token : tokens) hash = (hash ^ std::uint64_t(std::uint32_t(token))) * 0x9e3779b97f4a7c15 + 1;
    return hash;
  }

  std::size_t indexed_ = 0;
  Index indices_[2] = {{4, 7}, {2, 3}};  // the longer match first; a short one is trusted less far
  DraftLength length_;
};

class ModelDrafter final : public Drafter {
 public:
  explicit ModelDrafter(std::shared_ptr<const model::Model> model)
      : model_(std::move(model)),
        cache_(model_->new_cache(model_->context_length())),
        scratch_(model::Model::new_scratch()),
        logits_(model_->vocabulary_size()) {}

  std::vector<Token> propose(ThreadPool& pool, std::span<const Token> tokens, std::size_t most) override {
    std::vector<Token> guesses;
    const std::size_t count = length_.next(most);
    if (count == 0 || tokens.size() + count > cache_->capacity()) return guesses;
    // Of its own guesses those stay in the cache that came true.
    const auto same = std::mismatch(held_.begin(), held_.end(), tokens.begin(), tokens.end()).first;
    held_.resize(std::min(std::size_t(same - held_.begin()), tokens.size() - 1));
    cache_->truncate(held_.size());
    feed(pool, tokens.subspan(held_.size()));
    while (true) {
      const auto best = std::max_element(logits_.begin(), logits_.end());
      guesses.push_back(Token(best - logits_.begin()));
      if (guesses.size() == count) return guesses;
      feed(pool, {&guesses.back(), 1});
    }
  }
  void learn(std::size_t proposed, std::size_t accepted) override { length_.learn(proposed, accepted); }

 private:
  void feed(ThreadPool& pool, std::span<const Token> tokens) {
    constexpr std::size_t piece = 512;
    for (std::size_t begin = 0; begin < tokens.size(); begin += piece) {
      const auto part = tokens.subspan(begin, std::min(piece, tokens.size() - begin));
      const bool last = begin + part.size() == tokens.size();
      const model::Segment segment{.cache = cache_.get(),
                                   .tokens = part,
                                   .want = last ? model::Segment::Want::last : model::Segment::Want::none};
      model_->forward(pool, {&segment, 1}, *scratch_, {logits_.data(), last ? 1u : 0u, logits_.size()});
    }
    held_.insert(held_.end(), tokens.begin(), tokens.end());
  }

  std::shared_ptr<const model::Model> model_;
  std::unique_ptr<model::KvCache> cache_;
  std::shared_ptr<model::Model::Scratch> scratch_;
  std::vector<float> logits_;
  std::vector<Token> held_;
  DraftLength length_;
};

}  // namespace

std::size_t DraftLength::next(std::size_t most) noexcept {
  if (rest_ > 0) {
    --rest_;
    return 0;
  }
  return std::min(most, std::size_t(length_));
}

void DraftLength::learn(std::size_t proposed, std::size_t accepted) noexcept {
  if (proposed == 0) return;
  accepted_ = memory * accepted_ + (1 - memory) * double(accepted) / double(proposed);
  length_ = accepted == proposed ? std::min(longest, length_ + 1) : std::max(2.0, double(accepted) + 1);
  if (accepted_ < worth_while) {
    rest_ = rest_tokens;
    accepted_ = 0.4;  // a new chance, and a short one
  }
}

std::unique_ptr<Drafter> prompt_lookup() {
  return std::make_unique<PromptLookup>();
}

std::unique_ptr<Drafter> draft_model(std::shared_ptr<const model::Model> model, const text::Tokenizer& tokenizer) {
  const gguf::Metadata& metadata = model->file().metadata();
  const auto own = text::Tokenizer::load(metadata);
  bool same = own->size() == tokenizer.size();
  for (std::size_t i = 0; same && i < own->size(); ++i)
    same = own->piece(Token(i), true) == tokenizer.piece(Token(i), true);
  if (!same || model->is_encoder())
    throw Error(Code::unsupported, "the draft model has another vocabulary", metadata.origin(),
                "choose a smaller model of the same family");
  return std::make_unique<ModelDrafter>(std::move(model));
}

}  // namespace hearth::engine
