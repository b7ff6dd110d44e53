// Matrix products by themselves, for each format and instruction set: bytes of weights read a second with 1, 4 and 8
// sequences side by side, arithmetic with 16, and with a prompt of 512. Arguments: threads, then the level and the
// format, for only those, then how many MB of weights there are (what a cache holds shows the arithmetic alone).
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string_view>
#include <vector>

#include "kernels/kernels.h"
#include "ops/matmul.h"
#include "timing.h"

namespace {

using namespace hearth;
using bench::seconds;

double measure(ThreadPool& pool, const std::vector<std::byte>& weights, tensor::Type type, std::size_t rows,
               std::size_t columns, std::size_t tokens) {
  std::vector<float> x(tokens * columns), y(tokens * rows);
  std::mt19937 random(1);
  for (float& value : x) value = float(random() % 2001) / 1000 - 1;
  return seconds(
      [&] {
        const ops::Product product{.weight = {type, weights.data(), rows, columns}, .output = {y.data(), tokens, rows}};
        ops::matmul(pool, {x.data(), tokens, columns}, {&product, 1});
      },
      tokens > 100 ? 30 : 40);
}

// Codes at random; the scales, wherever they are, and floats become numbers of either sign, none of
// them denormal (but for MXFP4, whose scales are bytes).
std::vector<std::byte> random_bytes(std::size_t count) {
  std::vector<std::byte> bytes(count);
  std::mt19937_64 random(1);
  for (std::size_t i = 0; i + 8 <= count; i += 8) {
    const std::uint64_t word = (random() & 0x83ff83ff83ff83ff) | 0x3c003c003c003c00;
    std::memcpy(bytes.data() + i, &word, sizeof word);
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  ThreadPool pool(argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1);
  const std::size_t area = (argc > 4 ? std::strtoul(argv[4], nullptr, 10) : 192) << 20;
  const std::vector<std::byte> weights = random_bytes(area);
  volatile std::uint64_t sink = 0;
  const double read = seconds(
      [&] {
        pool.split(area, 64, [&](std::size_t begin, std::size_t end, std::size_t) {
          std::uint64_t sum = 0;
          for (std::size_t i = begin; i < end; i += 64) {
            std::uint64_t word;
            std::memcpy(&word, weights.data() + i, sizeof word);
            sum += word;
          }
          sink = sink + sum;
        });
      },
      8);
  fmt::print("{} threads, reading {:.1f} GB/s\n", pool.size(), double(area) / read / 1e9);
  for (const std::size_t columns : {std::size_t{2048}, std::size_t{576}}) {
    fmt::print("{} columns          GB/s with 1      4      8 tokens, GOPS with 16    512 tokens\n", columns);
    for (const kernels::Table* level : kernels::available()) {
      if (argc > 2 && std::string_view(level->name) != argv[2]) continue;
      if (argc <= 2 && std::string_view(level->name) == "generic") continue;
      kernels::use(level->name);
      for (const tensor::TypeInfo& info : tensor::types()) {
        if (info.type == tensor::Type::i32 || columns % info.block_weights != 0) continue;
        if (argc > 3 && tensor::find_type(argv[3]) != &info) continue;
        const std::size_t rows = area / tensor::row_bytes(info.type, columns);
        fmt::print("{:8} {:8}        ", level->name, info.name);
        for (const std::size_t tokens : {1, 4, 8})
          fmt::print(" {:6.1f}", double(rows * tensor::row_bytes(info.type, columns)) /
                                     measure(pool, weights, info.type, rows / 2 * 2, columns, tokens) / 1e9);
        for (const std::size_t tokens : {16, 512}) {
          const std::size_t few = std::min<std::size_t>(rows / 2 * 2, tokens == 16 ? 4096 : 1024);
          fmt::print(" {:15.0f}",
                     2e-9 * double(few * columns * tokens) / measure(pool, weights, info.type, few, columns, tokens));
        }
        fmt::print("\n");
        std::fflush(stdout);
      }
    }
  }
}
