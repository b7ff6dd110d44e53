// Texts to vectors, with an encoder or a decoder that was made for it.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace hearth::engine {

enum class Pooling { mean, cls, last };

// What becomes of a text that is longer than the model reads at once.
enum class LongText {
  refuse,    // too_long, with the numbers
  truncate,  // its beginning counts
  mean,      // pieces are embedded one by one, their mean is taken
};

struct EmbedOptions {
  LongText long_text = LongText::refuse;
  bool normalise = true;               // to length 1
  std::size_t dimensions = 0;          // keep the first so many (Matryoshka models), then normalise; 0: all
  std::function<void()> between = {};  // called after each batch; what it throws ends the work
  std::size_t first = 0;               // what errors count texts from: the place of these among all
};

class Embedder {
 public:
  // Pooling is what the file says, an encoder's mean where it says nothing. Throws unsupported for a decoder whose file
  // says nothing.
  explicit Embedder(std::shared_ptr<Engine> engine);

  // One vector a text, in their order. Texts share batches.
  std::vector<std::vector<float>> embed(std::span<const std::string> texts, const EmbedOptions& options = {});
  std::size_t width() const noexcept { return engine_->model().width(); }
  Pooling pooling() const noexcept { return pooling_; }

 private:
  std::shared_ptr<Engine> engine_;
  Pooling pooling_;
};

}  // namespace hearth::engine
