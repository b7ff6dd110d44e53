// Prompts in, tokens out: one model, its tokenizer and threads, and the batch that all its sessions share.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "base/types.h"
#include "engine/drafter.h"
#include "model/adapter.h"
#include "model/model.h"
#include "sample/sampler.h"
#include "sample/token_table.h"
#include "text/chat_prompt.h"
#include "text/tokenizer.h"

namespace hearth::engine {

struct EngineOptions {
  std::size_t threads = 0;         // 0: one a physical core
  std::size_t context = 0;         // positions a session holds; 0: what the model was trained for
  std::size_t batch_tokens = 512;  // prompt tokens in one step, shared by all sessions
  ops::KvType kv_type = ops::KvType::f16;
  model::RopeOverride rope = {};
  // A full context goes on: half of what stands after the first `sink` tokens is forgotten. Else an answer ends there.
  bool shift = false;
  std::size_t sink = 4;  // [attention sinks: arXiv 2309.17453]
  // Logits that cannot be drawn need not be exact: see ops::Screen. False: all are, at more reading.
  bool screen = true;
};

struct AdapterUse {
  std::shared_ptr<const model::Adapter> adapter;  // opened for the engine's model
  float scale = 1;

  bool operator==(const AdapterUse&) const = default;
};

enum class FinishReason {
  stop,       // an end token, a stop string, or a complete grammar
  length,     // max_tokens, or the context is full
  cancelled,  // the sink or the request's stop token said so
};
std::string_view name(FinishReason reason);  // "stop", "length", "cancelled"

struct Request {
  std::vector<Token> prompt;   // at least one token; the part a session's cache holds already costs nothing
  std::size_t max_tokens = 0;  // 0: until it stops or the context is full
  sample::Options sampling;
  std::vector<std::string> stop;  // strings that end the answer and do not belong to it
  std::unique_ptr<sample::Constraint> constraint;
  std::unique_ptr<Drafter> drafter;  // null: one token at a time
  bool ignore_end = false;           // goes on past end tokens (benchmarks)
  bool special_text = false;         // control tokens appear in the text
  std::stop_token cancel;            // from another thread; a prompt stops after the batch in work
};

// A piece of an answer: whole UTF-8 characters that can no longer be part of a stop string. May be empty.
struct Piece {
  std::string_view text;
  Token token;
};
using Sink = std::function<bool(const Piece&)>;  // false: stop here

struct Usage {
  std::size_t prompt_tokens = 0;
  std::size_t cached_tokens = 0;  // of them, found in the cache
  std::size_t generated_tokens = 0;
  std::size_t drafted_tokens = 0;   // guessed by the drafter
  std::size_t accepted_tokens = 0;  // of them, found right
};

struct Timings {
  double prompt_seconds = 0;      // until the first token was drawn
  double generation_seconds = 0;  // from then to the end
};

struct Answer {
  std::string text;
  std::vector<Token> tokens;  // the end token is not among them
  FinishReason reason = FinishReason::stop;
  std::string stop_string;  // the one that was met, if any
  std::uint64_t seed = 0;   // draws the same answer again
  Usage usage;
  Timings timings;
};

class Sequence;

class Engine {
 public:
  static std::shared_ptr<Engine> open(const std::filesystem::path& path, const EngineOptions& options = {});
  Engine(std::shared_ptr<const model::Model> model, const EngineOptions& options);
  ~Engine();

  const model::Model& model() const noexcept { return *model_; }
  bool has_tokenizer() const noexcept { return tokenizer_ != nullptr; }
  const text::Tokenizer& tokenizer() const;     // throws unsupported where the file has none
  const text::ChatPrompt& chat_prompt() const;  // likewise
  const EngineOptions& options() const noexcept { return options_; }
  std::size_t context_length() const noexcept { return options_.context; }
  std::size_t threads() const noexcept { return pool_.size(); }
  std::shared_ptr<const sample::TokenTable> token_table() const;  // for grammars; made at first use

  // Raw access for measuring and scoring: no session is served meanwhile. `out` and `options` as in Model::forward,
  // but that options.best has the engine's own screen.
  void forward(std::span<const model::Segment> segments, tensor::Rows out, const model::ForwardOptions& options = {});
  // Like these, while no session is served.
  std::size_t screened_bytes() const noexcept { return screen_ ? screen_->saved_bytes() : 0; }  // a token does not read
  // The threads, for `use`, while no session is served.
  void with_threads(const std::function<void(ThreadPool&)>& use);

 private:
  friend class Session;
  // Runs `sequence` to its end among the others. The calling thread turns the wheel when nobody else does, so a lone
  // session never waits for another thread; `sink` runs on the calling thread, outside the lock.
  void run(Sequence& sequence, const Sink& sink);
  // One turn: a token of each running sequence (several where a drafter guessed them), pieces of new prompts.
  void step(std::span<Sequence* const> sequences);
  // The same for sequences that all use the same adapters.
  void step_alike(std::span<Sequence* const> sequences);

  std::shared_ptr<const model::Model> model_;
  std::unique_ptr<const text::Tokenizer> tokenizer_;
  std::unique_ptr<const text::ChatPrompt> chat_prompt_;
  EngineOptions options_;
  ThreadPool pool_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable turned_;
  bool turning_ = false;
  std::list<Sequence*> waiting_;  // in order of arrival

  // Only whoever turns the wheel touches these.
  std::unique_ptr<ops::Screen> screen_;  // null where all logits are always computed
  std::shared_ptr<model::Model::Scratch> scratch_;
  std::vector<float> logits_;

  mutable std::once_flag table_once_;
  mutable std::shared_ptr<const sample::TokenTable> table_;
};

// One conversation: a cache and the tokens it holds. One thread at a time; many sessions share an engine.
class Session {
 public:
  // Throws unsupported for an encoder, usage for a context beyond what memory can address. 0: the engine's.
  explicit Session(std::shared_ptr<Engine> engine, std::size_t context = 0);
  ~Session();
  Session(Session&&) noexcept;

  // Throws too_long, with the numbers, where the prompt does not leave room for one token; usage for options that make
  // no sense. Whatever the sink throws ends the answer and comes out here; the session stays usable.
  Answer generate(Request request, const Sink& sink = {});

  Engine& engine() const noexcept { return *engine_; }
  std::size_t context_length() const noexcept { return cache_->capacity(); }
  std::span<const Token> tokens() const noexcept { return tokens_; }  // what the cache holds
  void clear();
  // What is generated from now on is computed with these; the cache, computed with others, is cleared.
  void set_adapters(std::vector<AdapterUse> adapters);

  // The cache and its tokens, to a file and back: a prompt that starts as they do starts where they end. `load` throws
  // bad_input for a file that is damaged, of another model, or kept in another type, and leaves the session as it was.
  void save(const std::filesystem::path& path) const;
  void load(const std::filesystem::path& path);

 private:
  std::shared_ptr<Engine> engine_;
  std::vector<AdapterUse> adapters_;
  std::unique_ptr<model::KvCache> cache_;
  std::vector<Token> tokens_;
};

}  // namespace hearth::engine
