#include "engine/sequence.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace hearth::engine {

namespace {
double seconds(std::chrono::steady_clock::duration span) {
  return std::chrono::duration<double>(span).count();
}
}  // namespace

Sequence::Sequence(const Engine& engine, model::KvCache& cache, std::vector<Token>& held,
                   std::span<const AdapterUse> adapters, Request request)
    : tokenizer_(engine.has_tokenizer() ? &engine.tokenizer() : nullptr),
      options_(engine.options()),
      cache_(cache),
      held_(held),
      adapters_(adapters.begin(), adapters.end()),
      request_(std::move(request)),
      sampler_(request_.sampling),
      stops_(request_.stop),
      fed_(cache.used()) {
  if (tokenizer_) detokenizer_.emplace(*tokenizer_, request_.special_text);
  for (Token token : request_.prompt) sampler_.accept(token);
  answer_.seed = sampler_.seed();
  answer_.usage.prompt_tokens = request_.prompt.size();
  answer_.usage.cached_tokens = fed_;
  if (request_.drafter) all_ = request_.prompt;
}

void Sequence::make_room(const model::Model& model, ThreadPool& pool) {
  const std::size_t sink = std::min(options_.sink, cache_.used() - 1), count = (cache_.used() - sink + 1) / 2;
  model.forget(pool, cache_, sink, count);
  held_.erase(held_.begin() + std::ptrdiff_t(sink), held_.begin() + std::ptrdiff_t(sink + count));
}

model::Segment Sequence::next(const model::Model& model, ThreadPool& pool, std::size_t budget) {
  if (generating()) {
    if (cache_.used() == cache_.capacity()) make_room(model, pool);
    pending_.assign(1, drawn_);
    std::size_t most = std::min(budget, cache_.capacity() - cache_.used()) - 1;
    if (request_.max_tokens) most = std::min(most, request_.max_tokens - answer_.tokens.size() - 1);
    if (request_.drafter && most > 0) {
      const auto guesses = request_.drafter->propose(pool, all_, most);
      pending_.insert(pending_.end(), guesses.begin(), guesses.end());
    }
    return {.cache = &cache_, .tokens = pending_, .want = model::Segment::Want::all};
  }
  const std::size_t count = std::min(budget, request_.prompt.size() - fed_);
  const bool last = fed_ + count == request_.prompt.size();
  return {.cache = &cache_,
          .tokens = std::span(request_.prompt).subspan(fed_, count),
          .want = last ? model::Segment::Want::last : model::Segment::Want::none};
}

void Sequence::take(std::size_t count, tensor::Rows logits) {
  const auto row = [&](std::size_t index) { return std::span<float>(logits.row(index), logits.width); };
  if (!generating()) {
    held_.insert(held_.end(), request_.prompt.begin() + std::ptrdiff_t(fed_),
                 request_.prompt.begin() + std::ptrdiff_t(fed_ + count));
    fed_ += count;
    if (logits.count > 0) accept(row(0));
    return;
  }
  const std::size_t before = cache_.used() - count;
  std::size_t kept = 0;
  do {
    held_.push_back(pending_[kept]);
    ++kept;
    accept(row(kept - 1));
  } while (!ended_ && kept < count && pending_[kept] == drawn_);
  cache_.truncate(before + kept);
  if (count > 1) {
    answer_.usage.drafted_tokens += count - 1;
    answer_.usage.accepted_tokens += kept - 1;
    request_.drafter->learn(count - 1, kept - 1);
  }
}

void Sequence::accept(std::span<float> logits) {
  if (request_.constraint) request_.constraint->limit(tokens_left());
  const Token token = sampler_.pick(logits, request_.constraint.get());
  if (answer_.tokens.empty()) first_drawn_ = Clock::now();
  if (!request_.ignore_end && tokenizer_ && tokenizer_->ends_generation(token)) return end(FinishReason::stop);

  sampler_.accept(token);
  if (request_.constraint) request_.constraint->accept(token);
  answer_.tokens.push_back(token);
  drawn_ = token;
  if (request_.drafter) all_.push_back(token);

  auto met = stops_.push(detokenizer_ ? detokenizer_->push(token) : std::string{});
  emit(std::move(met.text), token);
  if (met.stop) {
    answer_.stop_string = request_.stop[*met.stop];
    return end(FinishReason::stop);
  }
  if (request_.constraint && request_.constraint->complete()) return end(FinishReason::stop);
  if (answer_.tokens.size() == request_.max_tokens || (held_.size() == cache_.capacity() && !options_.shift))
    end(FinishReason::length);
}

// That may still be drawn: an answer ends at its length, and where the context is full and does not shift.
std::size_t Sequence::tokens_left() const {
  auto left = std::numeric_limits<std::size_t>::max();
  if (request_.max_tokens) left = request_.max_tokens - answer_.tokens.size();
  if (!options_.shift) left = std::min(left, cache_.capacity() - held_.size() + 1);
  return left;
}

void Sequence::emit(std::string text, Token token) {
  answer_.text += text;
  fresh_.push_back({std::move(text), token});
}

void Sequence::publish() {
  std::move(fresh_.begin(), fresh_.end(), std::back_inserter(deltas));
  fresh_.clear();
}

void Sequence::end(FinishReason reason) {
  if (ended_) return;
  ended_ = true;
  answer_.reason = reason;
  if (answer_.stop_string.empty()) {  // else what is held back belongs to the stop string
    auto met = stops_.push(detokenizer_ ? detokenizer_->finish() : std::string{});
    met.text += stops_.finish();
    if (!met.text.empty()) emit(std::move(met.text), no_token);
  }
  answer_.usage.generated_tokens = answer_.tokens.size();
  const auto now = Clock::now();
  if (answer_.tokens.empty()) first_drawn_ = now;
  answer_.timings = {seconds(first_drawn_ - started_), seconds(now - first_drawn_)};
}

void Sequence::fail(std::exception_ptr error) noexcept {
  error_ = std::move(error);
  cache_.truncate(held_.size());  // without guesses that were not judged
  ended_ = true;
}

void Sequence::cancel() {
  end(FinishReason::cancelled);
}

Answer Sequence::take_answer() {
  if (error_) std::rethrow_exception(error_);
  return std::move(answer_);
}

}  // namespace hearth::engine
