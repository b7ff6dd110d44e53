// Attention over a cache of keys and values, streamed: never context x context in memory.
// [online softmax: arXiv 1805.02867; FlashAttention: arXiv 2205.14135]
#pragma once

#include <cstdint>
#include <span>

#include "base/thread_pool.h"
#include "tensor/view.h"

namespace hearth::ops {

enum class KvType { f32, f16, q8_0, q4_0 };

// Bytes of one position of one head.
std::size_t kv_row_bytes(KvType type, std::size_t width);

// One layer's cache of one sequence: for each KV head, `capacity` positions of keys one after another, likewise values.
struct KvView {
  KvType type = KvType::f16;
  std::byte* keys = nullptr;    // [heads_kv][capacity][key_width]
  std::byte* values = nullptr;  // [heads_kv][capacity][value_width]
  std::size_t heads_kv = 0;
  std::size_t capacity = 0;
  std::size_t key_width = 0, value_width = 0;
};

// Writes rows [tokens, heads_kv * width] at positions [first, first + tokens).
void store_kv(ThreadPool& pool, const KvView& cache, std::size_t first, tensor::ConstRows keys,
              tensor::ConstRows values);

struct AttentionJob {
  tensor::ConstRows queries;  // [tokens, heads * key_width]
  tensor::Rows output;        // [tokens, heads * value_width]
  KvView cache;               // holds positions [0, first + tokens)
  std::size_t first = 0;      // position of queries' row 0
};

struct AttentionOptions {
  std::size_t heads = 0;          // a multiple of heads_kv; head h reads KV head h / (heads / heads_kv)
  float scale = 1;                // on the product of query and key
  float softcap = 0;              // logits = cap * tanh(logits / cap); 0: none
  std::size_t window = 0;         // sees the last `window` positions, its own included; 0: all
  bool causal = true;             // false: every token sees every token of the job (encoders)
  bool exact = false;             // in float32 throughout, at the price of speed; as it is with a cache in f32
  const float* slopes = nullptr;  // [heads] ALiBi: adds slope * (key position - query position); null: none
};

// Jobs are sequences of one batch; all run in one parallel region. Deterministic for any number of threads.
void attention(ThreadPool& pool, const AttentionOptions& options, std::span<const AttentionJob> jobs);

}  // namespace hearth::ops
