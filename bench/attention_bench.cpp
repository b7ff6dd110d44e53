// Attention by itself: time, arithmetic and bytes of one layer for the shapes of known models, on every instruction
// set.
#include <fmt/core.h>

#include <cmath>
#include <cstdlib>
#include <random>
#include <string_view>
#include <vector>

#include "kernels/kernels.h"
#include "ops/attention.h"
#include "timing.h"

namespace {

using namespace hearth;
using bench::seconds;

struct Shape {
  const char* name;
  std::size_t heads, heads_kv, width, layers;
};
constexpr Shape shapes[] = {
    {"SmolLM2-135M", 9, 3, 64, 30}, {"1B shape", 32, 8, 64, 16}, {"gemma-3-270m", 4, 1, 256, 18}};

struct Load {
  std::size_t tokens, first;
};
constexpr Load loads[] = {{1, 64}, {1, 512}, {1, 2048}, {1, 8192}, {8, 2048}, {512, 0}, {512, 3584}};

void measure(ThreadPool& pool, const Shape& shape, const Load& load, ops::KvType type) {
  const std::size_t capacity = load.first + load.tokens;
  const std::size_t bytes = shape.heads_kv * capacity * ops::kv_row_bytes(type, shape.width);
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> rows(capacity * shape.heads_kv * shape.width), queries(load.tokens * shape.heads * shape.width);
  for (float& x : rows) x = normal(random);
  for (float& x : queries) x = normal(random);
  std::vector<float> output(queries.size());
  std::vector<std::byte> keys(bytes), values(bytes);
  const ops::KvView cache{type, keys.data(), values.data(), shape.heads_kv, capacity, shape.width, shape.width};
  const tensor::ConstRows all(rows.data(), capacity, shape.heads_kv * shape.width, shape.heads_kv * shape.width);
  ops::store_kv(pool, cache, 0, all, all);
  const std::size_t width = shape.heads * shape.width;
  const ops::AttentionJob job{
      {queries.data(), load.tokens, width, width}, {output.data(), load.tokens, width, width}, cache, load.first};
  const ops::AttentionOptions options{.heads = shape.heads, .scale = 1 / std::sqrt(float(shape.width))};
  const double time = seconds([&] { ops::attention(pool, options, {&job, 1}); }, load.tokens > 100 ? 5 : 50);
  const double seen = double(load.tokens) * (double(load.first) + double(load.tokens + 1) / 2);
  fmt::print("  {:4} at {:5}  {:9.1f} us a layer  {:8.2f} ms a model  {:7.1f} GFLOPS  {:6.1f} GB/s\n", load.tokens,
             load.first, time * 1e6, time * 1e3 * double(shape.layers), seen * double(width) * 4 / time * 1e-9,
             2 * double(bytes) / time * 1e-9);
}

}  // namespace

// bench_attention [threads [level]]
int main(int argc, char** argv) {
  ThreadPool pool(argc > 1 ? std::size_t(std::atoi(argv[1])) : 1);
  for (const kernels::Table* level : kernels::available()) {
    if (argc > 2 && std::string_view(argv[2]) != level->name) continue;
    kernels::use(level->name);
    for (const Shape& shape : shapes) {
      fmt::print("{}, {} heads of {}, {} KV heads, f16, {}, {} threads\n", shape.name, shape.heads, shape.width,
                 shape.heads_kv, level->name, pool.size());
      for (const Load& load : loads) measure(pool, shape, load, ops::KvType::f16);
    }
  }
}
