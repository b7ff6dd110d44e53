#include "ops/matmul.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

#include "base/error.h"
#include "kernels/kernels.h"

namespace hearth::ops {

namespace {

using kernels::Form;

// A thread's own memory, kept from call to call.
class Buffer {
 public:
  std::byte* reserve(std::size_t bytes) {
    if (bytes > bytes_) {
      memory_.reset();
      bytes_ = 0;
      bytes = (bytes + 4095) / 4096 * 4096;
      memory_.reset(static_cast<std::byte*>(::operator new (bytes, std::align_val_t{64})));
      bytes_ = bytes;
    }
    return memory_.get();
  }

 private:
  struct Free {
    void operator()(std::byte* memory) const { ::operator delete (memory, std::align_val_t{64}); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::size_t bytes_ = 0;
};
thread_local Buffer packed_memory, scratch_memory;

// More tokens than this are multiplied block by block, so that packed activations stay in cache and memory bounded.
constexpr std::size_t block_tokens = 512;
// Below so many bytes of weights (times tokens) a product is over before another thread is awake.
constexpr std::size_t worth_a_fork = 16384;
constexpr std::size_t grain_rows = 32;

struct Job {
  const kernels::MatmulKernels& kernels;
  std::span<const Product> products;
  kernels::Activations input;
  std::size_t first_token;
  std::array<bool, kernels::forms> wanted{};
  std::array<std::size_t, kernels::forms> offset{};
  std::size_t packed_bytes = 0, scratch_bytes = 0, cost = 0;

  Job(const kernels::MatmulKernels& k, tensor::ConstRows x, std::span<const Product> p, std::size_t first, Care care)
      : kernels(k),
        products(p),
        input{x.row(first), x.stride, std::min(x.count - first, block_tokens), x.width, {}, care},
        first_token(first) {
    for (const Product& product : products) {
      wanted[std::size_t(kernels.form(product.weight.type, input.tokens, input.columns, care))] = true;
      scratch_bytes = std::max(scratch_bytes, kernels.scratch_bytes(product.weight.type, input.tokens, input.columns));
      cost += grains(product) * grain_cost(product);
    }
    for (std::size_t form = 0; form < kernels::forms; ++form) {
      offset[form] = packed_bytes;
      if (wanted[form]) packed_bytes += (kernels.packed_bytes(Form(form), input.tokens, input.columns) + 63) / 64 * 64;
    }
  }

  bool few() const { return input.tokens <= kernels.few_tokens; }
  static std::size_t grains(const Product& product) { return (product.weight.rows + grain_rows - 1) / grain_rows; }
  // A few tokens cost what reading the weights costs; many cost arithmetic, the same for each format.
  std::size_t grain_cost(const Product& product) const {
    return few() ? product.weight.row_bytes() : input.columns * input.tokens;
  }

  void pack(std::size_t begin, std::size_t end, std::byte* memory) const {
    for (std::size_t form = 0; form < kernels::forms; ++form)
      if (wanted[form]) kernels.pack(Form(form), input, begin, end, memory + offset[form]);
  }

  // How many pieces each of `threads` has for its own: none is so small that taking it costs more than it evens out.
  std::size_t pieces_each(std::size_t threads) const {
    const std::size_t smallest = few() ? 65536 : 131072;
    return std::clamp<std::size_t>(cost / threads / smallest, 1, 8);
  }

  // All that falls to thread `index`.
  void multiply(const Pieces& pieces, std::size_t index, const std::byte* memory) const {
    for (std::size_t piece; (piece = pieces.take(index)) != Pieces::none;)
      multiply_piece(piece, pieces.count(), memory);
  }

  // An interval of the cost of all grains, product after product.
  void multiply_piece(std::size_t piece, std::size_t pieces, const std::byte* memory) const {
    kernels::Activations in = input;
    for (std::size_t form = 0; form < kernels::forms; ++form) in.packed[form] = memory + offset[form];
    std::byte* const scratch = scratch_memory.reserve(scratch_bytes);
    const std::size_t from = cost * piece / pieces, to = cost * (piece + 1) / pieces;
    std::size_t start = 0;
    for (const Product& product : products) {
      const tensor::Matrix& weight = product.weight;
      const std::size_t each = grain_cost(product), count = grains(product);
      const auto row_at = [&](std::size_t position) {
        const std::size_t grain = position <= start ? 0 : std::min(count, (position - start + each - 1) / each);
        return std::min(grain * grain_rows, weight.rows);
      };
      const std::size_t begin = row_at(from), end = row_at(to);
      start += count * each;
      if (begin == end) continue;
      kernels.multiply({weight.type, weight.data, weight.row_bytes(), begin, end, &in, product.output.row(first_token),
                        product.output.stride, product.bias, product.accumulate, scratch});
    }
  }
};

void run(ThreadPool& pool, const Job& job) {
  if (pool.size() == 1 || job.cost * grain_rows < worth_a_fork) {
    std::byte* const memory = packed_memory.reserve(job.packed_bytes);
    job.pack(0, job.input.tokens, memory);
    job.multiply_piece(0, 1, memory);
    return;
  }
  const Pieces pieces = pool.pieces(job.pieces_each(pool.size()));
  if (job.few()) {
    // Packing a row or two again on each thread costs less than to wait for another thread that does it.
    pool.run([&](std::size_t index, std::size_t) {
      std::byte* const memory = packed_memory.reserve(job.packed_bytes);
      job.pack(0, job.input.tokens, memory);
      job.multiply(pieces, index, memory);
    });
  } else {
    std::byte* const memory = packed_memory.reserve(job.packed_bytes);
    if (job.packed_bytes != 0)
      pool.split(job.input.tokens, kernels::packed_together,
                 [&](std::size_t begin, std::size_t end, std::size_t) { job.pack(begin, end, memory); });
    pool.run([&](std::size_t index, std::size_t) { job.multiply(pieces, index, memory); });
  }
}

}  // namespace

std::size_t few_tokens() {
  return kernels::active().matmul->few_tokens;
}

void matmul(ThreadPool& pool, tensor::ConstRows x, std::span<const Product> products, Care care) {
  for (const Product& product : products) {
    HEARTH_CHECK(product.weight.columns == x.width && product.weight.rows == product.output.width);
    HEARTH_CHECK(product.output.count == x.count);
  }
  const kernels::MatmulKernels& kernels = *kernels::active().matmul;
  for (std::size_t first = 0; first < x.count; first += block_tokens) run(pool, Job(kernels, x, products, first, care));
}

}  // namespace hearth::ops
