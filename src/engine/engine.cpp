#include "engine/engine.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "engine/sequence.h"
#include "ops/matmul.h"

namespace hearth::engine {

namespace {
std::size_t rows_of(const model::Segment& segment) {
  switch (segment.want) {
    case model::Segment::Want::none:
      return 0;
    case model::Segment::Want::last:
      return 1;
    case model::Segment::Want::all:
      return segment.tokens.size();
  }
  return 0;
}

// Of the logits of every row; 0: all. Each token that is accepted meanwhile may be penalised in the next row.
std::size_t most_needed(std::span<Sequence* const> batch, std::span<const model::Segment> segments) {
  std::size_t most = 0;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const std::size_t needed = batch[i]->needed(), rows = rows_of(segments[i]);
    if (rows == 0) continue;
    if (needed == 0) return 0;
    most = std::max(most, needed + rows - 1);
  }
  return most;
}
}  // namespace

std::string_view name(FinishReason reason) {
  switch (reason) {
    case FinishReason::stop:
      return "stop";
    case FinishReason::length:
      return "length";
    case FinishReason::cancelled:
      return "cancelled";
  }
  return "unknown";
}

std::shared_ptr<Engine> Engine::open(const std::filesystem::path& path, const EngineOptions& options) {
  return std::make_shared<Engine>(model::Model::open(path, {.rope = options.rope}), options);
}

Engine::Engine(std::shared_ptr<const model::Model> model, const EngineOptions& options)
    : model_(std::move(model)), options_(options), pool_(options.threads), scratch_(model::Model::new_scratch()) {
  if (options_.screen) screen_ = model_->new_screen();
  if (options_.context == 0) options_.context = model_->context_length();
  const gguf::Metadata& metadata = model_->file().metadata();
  if (!text::Tokenizer::is_in(metadata)) return;
  tokenizer_ = text::Tokenizer::load(metadata);
  if (tokenizer_->size() > model_->vocabulary_size())
    throw Error(
        Code::bad_input,
        fmt::format("the tokenizer has {} tokens and the model {}", tokenizer_->size(), model_->vocabulary_size()),
        metadata.origin());
  chat_prompt_ = std::make_unique<text::ChatPrompt>(metadata);
}

Engine::~Engine() = default;

const text::Tokenizer& Engine::tokenizer() const {
  if (!tokenizer_) throw Error(Code::unsupported, "the model has no tokenizer", model_->file().metadata().origin());
  return *tokenizer_;
}

const text::ChatPrompt& Engine::chat_prompt() const {
  tokenizer();
  return *chat_prompt_;
}

std::shared_ptr<const sample::TokenTable> Engine::token_table() const {
  std::call_once(table_once_, [&] { table_ = std::make_shared<const sample::TokenTable>(tokenizer()); });
  return table_;
}

void Engine::forward(std::span<const model::Segment> segments, tensor::Rows out, const model::ForwardOptions& options) {
  model::ForwardOptions own = options;
  own.best.screen = screen_.get();
  with_threads([&](ThreadPool& pool) { model_->forward(pool, segments, *scratch_, out, own); });
}

void Engine::with_threads(const std::function<void(ThreadPool&)>& use) {
  std::unique_lock lock(mutex_);
  turned_.wait(lock, [&] { return !turning_; });
  turning_ = true;
  lock.unlock();
  std::exception_ptr error;
  try {
    use(pool_);
  } catch (...) {
    error = std::current_exception();
  }
  lock.lock();
  turning_ = false;
  turned_.notify_all();
  if (error) std::rethrow_exception(error);
}

void Engine::run(Sequence& sequence, const Sink& sink) {
  std::unique_lock lock(mutex_);
  waiting_.push_back(&sequence);
  std::exception_ptr sink_error;
  while (!sequence.over || !sequence.deltas.empty()) {
    if (!sequence.deltas.empty()) {
      const auto deltas = std::exchange(sequence.deltas, {});
      lock.unlock();
      for (const auto& delta : deltas) {
        if (!sink || sequence.cancelled) break;
        try {
          if (!sink({delta.text, delta.token})) sequence.cancelled = true;
        } catch (...) {
          sink_error = std::current_exception();
          sequence.cancelled = true;
        }
      }
      lock.lock();
    } else if (turning_) {
      turned_.wait(lock);
    } else {
      turning_ = true;
      const std::vector<Sequence*> batch(waiting_.begin(), waiting_.end());
      lock.unlock();
      try {
        step(batch);
      } catch (...) {
        for (Sequence* one : batch) one->fail(std::current_exception());
      }
      lock.lock();
      turning_ = false;
      for (Sequence* one : batch) {
        one->publish();
        if (one->ended()) {
          one->over = true;
          waiting_.remove(one);
        }
      }
      turned_.notify_all();
    }
  }
  if (sink_error) std::rethrow_exception(sink_error);
}

void Engine::step(std::span<Sequence* const> sequences) {
  std::vector<Sequence*> rest(sequences.begin(), sequences.end());
  while (!rest.empty()) {
    const auto others = std::stable_partition(
        rest.begin(), rest.end(), [&](const Sequence* one) { return one->adapters() == rest[0]->adapters(); });
    const std::vector<Sequence*> alike(rest.begin(), others);
    rest.erase(rest.begin(), others);
    step_alike(alike);
  }
}

void Engine::step_alike(std::span<Sequence* const> sequences) {
  std::vector<Sequence*> batch;
  std::vector<model::Segment> segments;
  std::size_t budget = options_.batch_tokens, wanted = 0;
  const auto add = [&](Sequence& sequence, std::size_t most) {
    if (sequence.cancel_asked()) return sequence.cancel();
    segments.push_back(sequence.next(*model_, pool_, most));
    batch.push_back(&sequence);
    budget -= std::min(budget, segments.back().tokens.size());
    wanted += rows_of(segments.back());
  };
  const auto running = std::size_t(
      std::count_if(sequences.begin(), sequences.end(), [](const Sequence* one) { return one->generating(); }));
  // Running answers first, so that a long prompt beside them slows but never stops them.
  for (Sequence* sequence : sequences)
    if (sequence->generating()) add(*sequence, std::max<std::size_t>(1, ops::few_tokens() / running));
  for (Sequence* sequence : sequences)
    if (!sequence->generating() && !sequence->ended() && budget > 0) add(*sequence, budget);
  if (batch.empty()) return;

  const std::size_t width = model_->vocabulary_size();
  if (logits_.size() < wanted * width) logits_.resize(wanted * width);
  std::vector<model::ActiveAdapter> adapters;
  for (const AdapterUse& use : sequences[0]->adapters()) adapters.push_back({use.adapter.get(), use.scale});
  model_->forward(pool_, segments, *scratch_, {logits_.data(), wanted, width},
                  {.adapters = adapters, .best = {.count = most_needed(batch, segments), .screen = screen_.get()}});
  float* row = logits_.data();
  for (std::size_t i = 0; i < batch.size(); ++i) {
    try {
      batch[i]->take(segments[i].tokens.size(), {row, rows_of(segments[i]), width});
    } catch (...) {
      batch[i]->fail(std::current_exception());  // its own sampler or grammar: the others go on
    }
    row += rows_of(segments[i]) * width;
  }
}

}  // namespace hearth::engine
