// A language model, opened from a GGUF file and run: tokens in, logits out. Immutable once open.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "base/types.h"
#include "gguf/file.h"
#include "model/kv_cache.h"
#include "tensor/view.h"

namespace hearth::model {

struct Family;
struct Hyperparameters;
class Transformer;

// One sequence's part of a batch: its next tokens, at the positions after what its cache holds.
struct Segment {
  KvCache* cache = nullptr;          // committed to by forward; null for encoders
  std::span<const Token> tokens;     // at least one
  enum class Want { none, last, all } want = Want::last;
};

class Model {
 public:
  // Maps the file and binds its tensors to the family's names; throws naming what is missing, of a wrong shape or unknown.
  static std::shared_ptr<const Model> open(const std::filesystem::path& path);
  static std::shared_ptr<const Model> open(gguf::File file);
  ~Model();

  const gguf::File& file() const noexcept;
  const Hyperparameters& hyperparameters() const noexcept;
  const Family& family() const noexcept;

  std::size_t vocabulary_size() const noexcept;
  std::size_t context_length() const noexcept;  // what it was trained for
  std::size_t width() const noexcept;           // of the hidden state
  bool is_encoder() const noexcept;             // gives hidden states and no logits

  // A cache for `context` positions of one sequence (memory is touched only as it fills).
  std::unique_ptr<KvCache> new_cache(std::size_t context, ops::KvType type = ops::KvType::f16) const;

  // Runs all segments as one batch. Row i of `out` is the i-th wanted position, in order of segments: logits
  // [vocabulary_size], or the final hidden state [width] of an encoder. `scratch` is reused between calls.
  struct Scratch;
  static std::shared_ptr<Scratch> new_scratch();
  void forward(ThreadPool& pool, std::span<const Segment> segments, Scratch& scratch, tensor::Rows out) const;

 private:
  explicit Model(gguf::File file);
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace hearth::model
