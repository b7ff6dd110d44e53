// Working memory of forward passes: grows to the largest batch, then stays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "model/model.h"
#include "ops/attention.h"
#include "tensor/view.h"

namespace hearth::model {

// Aligned, not initialised, and not kept when it grows.
class Buffer {
 public:
  std::byte* bytes(std::size_t count) {
    if (count > size_) {
      memory_.reset();
      size_ = 0;
      memory_.reset(static_cast<std::byte*>(::operator new(count, alignment)));
      size_ = count;
    }
    return memory_.get();
  }
  float* floats(std::size_t count) { return reinterpret_cast<float*>(bytes(count * sizeof(float))); }
  tensor::Rows rows(std::size_t count, std::size_t width) { return {floats(count * width), count, width}; }

 private:
  static constexpr std::align_val_t alignment{64};
  struct Free {
    void operator()(std::byte* memory) const { ::operator delete(memory, alignment); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::size_t size_ = 0;
};

// A part of a segment that is worked on at once.
struct Piece {
  KvCache* cache = nullptr;  // null: encoders, whose keys and values live as long as the layer
  std::span<const Token> tokens;
  std::size_t row = 0, count = 0;                  // its rows of the batch
  std::size_t first = 0;                           // position of the first of them
  std::size_t wanted_begin = 0, wanted_count = 0;  // among them
  std::size_t encoder_row = 0;                     // its first row, before any is left behind
};

struct Model::Scratch {
  Buffer residual, normed, branch, low_rank, encoder_cache;
  Buffer work;  // of attention, then of feed-forward
  Buffer expert_rows;
  std::vector<Piece> pieces;
  std::vector<std::int32_t> positions;
  std::vector<ops::AttentionJob> jobs;
  // Of a mixture: rows by expert, where each expert's begin, and each token's experts.
  std::vector<std::uint32_t> routes, route_begins, chosen, order;
  std::vector<float> route_weights;
};

}  // namespace hearth::model
