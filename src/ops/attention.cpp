#include "ops/attention.h"

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <new>
#include <vector>

#include "base/error.h"
#include "kernels/kernels.h"
#include "ops/parallel.h"

namespace hearth::ops {

namespace {

static_assert(static_cast<int>(KvType::q8_0) == static_cast<int>(kernels::RowType::q8_0));
static_assert(static_cast<int>(KvType::q4_0) == static_cast<int>(kernels::RowType::q4_0));

// A job of few tokens reads its cache directly and in chunks of positions, which threads share: the way of generation,
// and of verifying a draft, where a token's result does not depend, to the bit, on how many stand beside it. A job of
// more tokens unpacks tiles of its cache for blocks of tokens.
constexpr std::size_t few_tokens = 16;
constexpr std::size_t chunk = 256;  // the same for any number of threads, so that results are

// Memory that grows to the largest size asked for and stays with its thread.
class Scratch {
 public:
  float* get(std::size_t floats) {
    if (floats > size_) {
      memory_.reset(static_cast<float*>(::operator new(floats * sizeof(float), std::align_val_t(64))));
      size_ = floats;
    }
    return memory_.get();
  }

 private:
  struct Free {
    void operator()(float* p) const { ::operator delete(p, std::align_val_t(64)); }
  };
  std::unique_ptr<float, Free> memory_;
  std::size_t size_ = 0;
};

// Tokens [begin, end) of a job, as one KV head's query rows sees them: worked on together, in one piece or in chunks.
struct Block {
  const AttentionJob* job;
  std::size_t head_kv, begin, end;
  std::size_t first_chunk = 0, chunks = 0;  // 0 chunks: one piece of all positions
  std::size_t partials = 0;                 // where its chunks' results begin, among all partial results
  std::size_t counter = 0;                  // of its chunks that are done
};

// One thread's unit of work.
struct Piece {
  std::size_t block, from, to;  // positions
  std::size_t cost;
};

class Plan {
 public:
  Plan(const AttentionOptions& options, std::span<const AttentionJob> jobs, std::size_t threads);
  void run(ThreadPool& pool);

 private:
  std::size_t group(const AttentionJob& job) const { return options_.heads / job.cache.heads_kv; }
  std::size_t rows(const Block& block) const { return (block.end - block.begin) * group(*block.job); }
  std::size_t first_seen(std::size_t position) const {
    return options_.window && position + 1 > options_.window ? position + 1 - options_.window : 0;
  }
  std::size_t tokens_together(const AttentionJob& job, std::size_t pieces_wanted) const;
  void add_in_chunks(const AttentionJob& job, std::size_t head_kv);
  void add_whole(const AttentionJob& job, std::size_t head_kv, std::size_t tokens_together);
  void add_piece(const Block& block, std::size_t from, std::size_t to);
  void work(const Piece& piece, float* scratch);
  void merge(const Block& block) const;

  const AttentionOptions& options_;
  const kernels::VectorKernels& vectors_ = kernels::vectors();
  std::vector<Block> blocks_;
  std::vector<Piece> pieces_;
  std::size_t scratch_floats_ = 0, partial_floats_ = 0, cost_ = 0;
  std::size_t counted_blocks_ = 0;
  std::unique_ptr<std::atomic<std::size_t>[]> done_;
  float* partials_ = nullptr;
};

Plan::Plan(const AttentionOptions& options, std::span<const AttentionJob> jobs, std::size_t threads)
    : options_(options) {
  for (const AttentionJob& job : jobs) {
    HEARTH_CHECK(job.cache.heads_kv > 0 && options.heads % job.cache.heads_kv == 0);
    HEARTH_CHECK(job.queries.width == options.heads * job.cache.key_width);
    HEARTH_CHECK(job.output.width == options.heads * job.cache.value_width);
    HEARTH_CHECK(job.first + job.queries.count <= job.cache.capacity);
    const std::size_t together = tokens_together(job, 4 * threads);
    for (std::size_t head = 0; head < job.cache.heads_kv; ++head)
      if (job.queries.count == 0)
        continue;
      else if (job.queries.count <= few_tokens)
        add_in_chunks(job, head);
      else
        add_whole(job, head, together);
  }
  std::stable_sort(pieces_.begin(), pieces_.end(), [](const Piece& a, const Piece& b) { return a.cost > b.cost; });
}

// As many tokens as keep queries and sums in the second cache, and fewer where there would not be pieces for every
// thread.
std::size_t Plan::tokens_together(const AttentionJob& job, std::size_t pieces_wanted) const {
  constexpr std::size_t cached_floats = 65536;
  const std::size_t most_rows =
      std::max<std::size_t>(48, cached_floats / (job.cache.key_width + job.cache.value_width));
  const std::size_t most = std::max<std::size_t>(1, most_rows / group(job));
  const std::size_t fair = job.queries.count * job.cache.heads_kv / pieces_wanted;
  return std::clamp(fair, std::min(most, few_tokens), most);
}

void Plan::add_in_chunks(const AttentionJob& job, std::size_t head_kv) {
  const std::size_t total = job.first + job.queries.count;
  Block block{.job = &job, .head_kv = head_kv, .begin = 0, .end = job.queries.count};
  block.first_chunk = first_seen(job.first) / chunk;
  block.chunks = (total + chunk - 1) / chunk - block.first_chunk;
  if (block.chunks == 1) {
    block.chunks = 0;
  } else {
    block.partials = partial_floats_;
    block.counter = counted_blocks_++;
    partial_floats_ += block.chunks * rows(block) * (job.cache.value_width + 2);
  }
  blocks_.push_back(block);
  for (std::size_t from = block.first_chunk * chunk; from < total; from += chunk)
    add_piece(block, from, std::min(from + chunk, total));
}

void Plan::add_whole(const AttentionJob& job, std::size_t head_kv, std::size_t tokens_together) {
  const std::size_t total = job.first + job.queries.count;
  for (std::size_t begin = 0; begin < job.queries.count; begin += tokens_together) {
    const std::size_t end = std::min(begin + tokens_together, job.queries.count);
    const std::size_t from = first_seen(job.first + begin) / vectors_.attention_tile * vectors_.attention_tile;
    blocks_.push_back({.job = &job, .head_kv = head_kv, .begin = begin, .end = end});
    add_piece(blocks_.back(), from, options_.causal ? job.first + end : total);
  }
}

void Plan::add_piece(const Block& block, std::size_t from, std::size_t to) {
  const KvView& cache = block.job->cache;
  const std::size_t cost = rows(block) * (to - from) * (cache.key_width + cache.value_width);
  pieces_.push_back({.block = blocks_.size() - 1, .from = from, .to = to, .cost = cost});
  cost_ += cost;
  scratch_floats_ =
      std::max(scratch_floats_, vectors_.attention_scratch(rows(block), cache.key_width, cache.value_width));
}

void Plan::run(ThreadPool& pool) {
  static thread_local Scratch partials;  // the caller's, apart from its scratch as a worker
  partials_ = partials.get(partial_floats_);
  done_ = std::make_unique<std::atomic<std::size_t>[]>(counted_blocks_);
  std::atomic<std::size_t> next{0};
  const auto take_pieces = [&] {
    static thread_local Scratch scratch;
    float* const memory = scratch.get(scratch_floats_);
    for (std::size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < pieces_.size();) work(pieces_[i], memory);
  };
  constexpr std::size_t worth_a_fork = 100000;
  if (pieces_.size() <= 1 || cost_ < worth_a_fork)
    take_pieces();
  else
    pool.run([&](std::size_t, std::size_t) { take_pieces(); });
}

void Plan::work(const Piece& piece, float* scratch) {
  const Block& block = blocks_[piece.block];
  const AttentionJob& job = *block.job;
  const KvView& cache = job.cache;
  const std::size_t head = block.head_kv * group(job);
  kernels::AttentionPiece task{};
  task.queries = job.queries.row(block.begin) + head * cache.key_width;
  task.query_stride = job.queries.stride;
  task.tokens = block.end - block.begin;
  task.group = group(job);
  task.first = job.first + block.begin;
  task.type = static_cast<kernels::RowType>(cache.type);
  task.key_bytes = kv_row_bytes(cache.type, cache.key_width);
  task.value_bytes = kv_row_bytes(cache.type, cache.value_width);
  task.keys = cache.keys + block.head_kv * cache.capacity * task.key_bytes;
  task.values = cache.values + block.head_kv * cache.capacity * task.value_bytes;
  task.key_width = cache.key_width;
  task.value_width = cache.value_width;
  task.begin = piece.from;
  task.end = piece.to;
  task.scale = options_.scale;
  task.softcap = options_.softcap;
  task.window = options_.window;
  task.causal = options_.causal;
  task.exact = options_.exact;
  task.slopes = options_.slopes ? options_.slopes + head : nullptr;
  task.scratch = scratch;
  if (block.chunks == 0) {
    task.output = job.output.row(block.begin) + head * cache.value_width;
    task.output_stride = job.output.stride;
  } else {
    const std::size_t results = rows(block) * cache.value_width;
    task.output = partials_ + block.partials + (piece.from / chunk - block.first_chunk) * (results + 2 * rows(block));
    task.output_stride = task.group * cache.value_width;
    task.maximum = task.output + results;
    task.sum = task.maximum + rows(block);
  }
  (job.queries.count <= few_tokens ? vectors_.attend_few : vectors_.attend_many)(task);
  if (block.chunks && done_[block.counter].fetch_add(1, std::memory_order_acq_rel) + 1 == block.chunks) merge(block);
}

void Plan::merge(const Block& block) const {
  const AttentionJob& job = *block.job;
  const std::size_t width = job.cache.value_width, results = rows(block) * width, stride = results + 2 * rows(block);
  const float* const partials = partials_ + block.partials;
  for (std::size_t row = 0; row < rows(block); ++row) {
    float* const output =
        job.output.row(block.begin + row / group(job)) + (block.head_kv * group(job) + row % group(job)) * width;
    const float* const maxima = partials + results + row;
    vectors_.merge_attention(partials + row * width, stride, maxima, maxima + rows(block), stride, block.chunks, width,
                             output);
  }
}

}  // namespace

std::size_t kv_row_bytes(KvType type, std::size_t width) {
  const auto blocks = [=](std::size_t bytes) {
    if (width % 32 != 0)
      throw Error(Code::unsupported, fmt::format("a quantised KV cache for heads {} wide", width), {},
                  "blocks hold 32 values: use f16 or f32");
    return width / 32 * bytes;
  };
  switch (type) {
    case KvType::f32:
      return width * 4;
    case KvType::f16:
      return width * 2;
    case KvType::q8_0:
      return blocks(34);
    case KvType::q4_0:
      return blocks(18);
  }
  HEARTH_CHECK(false && "a KV type");
  return 0;
}

void store_kv(ThreadPool& pool, const KvView& cache, std::size_t first, tensor::ConstRows keys,
              tensor::ConstRows values) {
  HEARTH_CHECK(first + keys.count <= cache.capacity && keys.count == values.count);
  HEARTH_CHECK(keys.width == cache.heads_kv * cache.key_width && values.width == cache.heads_kv * cache.value_width);
  const auto encode = kernels::vectors().encode_row[static_cast<std::size_t>(cache.type)];
  const auto store = [&](tensor::ConstRows rows, std::byte* memory, std::size_t width, std::size_t row) {
    const std::size_t bytes = kv_row_bytes(cache.type, width);
    for (std::size_t head = 0; head < cache.heads_kv; ++head)
      encode(rows.row(row) + head * width, width, memory + (head * cache.capacity + first + row) * bytes);
  };
  for_rows(pool, keys.count, (keys.width + values.width) / 4, [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; ++row) {
      store(keys, cache.keys, cache.key_width, row);
      store(values, cache.values, cache.value_width, row);
    }
  });
}

void attention(ThreadPool& pool, const AttentionOptions& options, std::span<const AttentionJob> jobs) {
  Plan(options, jobs, pool.size()).run(pool);
}

}  // namespace hearth::ops
