// A language model, opened from a GGUF file and run: tokens in, logits out. Immutable once open.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "base/types.h"
#include "gguf/file.h"
#include "model/hyperparameters.h"
#include "model/kv_cache.h"
#include "ops/matmul.h"
#include "ops/screen.h"
#include "tensor/view.h"

namespace hearth::model {

class Adapter;
class Tape;
struct Weights;

// One sequence's part of a batch: its next tokens, at the positions after what its cache holds.
struct Segment {
  KvCache* cache = nullptr;       // committed to by forward; null for encoders
  std::span<const Token> tokens;  // at least one
  enum class Want { none, last, all } want = Want::last;
};

struct OpenOptions {
  RopeOverride rope = {};
};

struct ActiveAdapter {
  const Adapter* adapter = nullptr;  // opened for this model
  float scale = 1;
};

// Called with the input rows of each product with a weight matrix, by the tensor's name; of a tensor of experts, once
// for each routed one, else `expert` is 0. On the caller's thread.
using Observer = std::function<void(std::string_view weight, std::size_t expert, tensor::ConstRows x)>;

// Which layers a pass runs. Between two such passes the residual stream is the caller's.
struct LayerRange {
  std::size_t begin = 0, end = ~std::size_t{0};  // an end beyond the last layer: the output too
  tensor::Rows stream = {};  // [all tokens, width]: read where `begin` is not 0; written where the end comes before the
                             // output, of which then no rows may be wanted
};

// Of every wanted row of logits no more than the greatest are needed. See ops::Screen, which is told of each pass.
struct Best {
  std::size_t count = 0;          // 0: all are
  ops::Screen* screen = nullptr;  // of the model's output; may be null
};

struct ForwardOptions {
  std::span<const ActiveAdapter> adapters = {};
  const Observer* observer = nullptr;  // may be null; with it no row is left out of the last layer
  Tape* tape = nullptr;                // likewise: see model/tape.h
  bool hidden_states = false;          // `out` takes the final hidden states [width] of a decoder too
  std::optional<ops::Care> care = {};  // none: as prompts and generated tokens are computed, or an encoder's texts
  LayerRange layers = {};
  Best best = {};
};

class Model {
 public:
  // Maps the file and binds its tensors to the family's names; throws naming what is missing, of a wrong shape or
  // unknown.
  static std::shared_ptr<const Model> open(const std::filesystem::path& path, const OpenOptions& options = {});
  static std::shared_ptr<const Model> open(gguf::File file, const OpenOptions& options = {});
  ~Model();

  const gguf::File& file() const noexcept;
  const Hyperparameters& hyperparameters() const noexcept;
  const Family& family() const noexcept;
  const Weights& weights() const noexcept;

  std::size_t vocabulary_size() const noexcept;
  std::size_t context_length() const noexcept;  // what it was trained for
  std::size_t width() const noexcept;           // of the hidden state
  bool is_encoder() const noexcept;             // gives hidden states and no logits

  // A cache for `context` positions of one sequence (memory is touched only as it fills). Families with two sets of
  // rotary factors (Phi-3) choose by it: the long set for a context beyond the original one.
  std::unique_ptr<KvCache> new_cache(std::size_t context, ops::KvType type = ops::KvType::f16) const;

  // Runs all segments as one batch. Row i of `out` is the i-th wanted position, in order of segments: logits
  // [vocabulary_size], or the final hidden state [width] of an encoder. `scratch` is reused between calls. Throws
  // too_long where a segment does not fit its cache and bad_input for a token outside the vocabulary, both before
  // anything is computed; no two segments may share a cache.
  struct Scratch;
  static std::shared_ptr<Scratch> new_scratch();
  // For ForwardOptions::best; borrows the model. Null for encoders.
  std::unique_ptr<ops::Screen> new_screen() const;
  void forward(ThreadPool& pool, std::span<const Segment> segments, Scratch& scratch, tensor::Rows out,
               const ForwardOptions& options = {}) const;

  // Makes room: positions [first, first + count) of the cache are forgotten, and what follows them moves down, its keys
  // rotated back. Throws unsupported for families with learned places.
  void forget(ThreadPool& pool, KvCache& cache, std::size_t first, std::size_t count) const;

 private:
  Model(gguf::File file, const OpenOptions& options);
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace hearth::model
