#include "model/kv_cache.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "base/error.h"

using namespace hearth;

namespace {

const model::KvCache::Layout layout{.layers = 3, .heads_kv = 2, .key_width = 32, .value_width = 64};

TEST(KvCache, LayersDoNotOverlap) {
  for (const ops::KvType type : {ops::KvType::f32, ops::KvType::f16, ops::KvType::q8_0, ops::KvType::q4_0}) {
    const model::KvCache cache(layout, 7, type);
    const std::size_t keys = 2 * 7 * ops::kv_row_bytes(type, 32), values = 2 * 7 * ops::kv_row_bytes(type, 64);
    for (std::size_t i = 0; i < layout.layers; ++i) {
      std::memset(cache.layer(i).keys, static_cast<int>(2 * i), keys);
      std::memset(cache.layer(i).values, static_cast<int>(2 * i + 1), values);
    }
    for (std::size_t i = 0; i < layout.layers; ++i) {
      EXPECT_EQ(cache.layer(i).keys[keys - 1], std::byte(2 * i));
      EXPECT_EQ(cache.layer(i).values[0], std::byte(2 * i + 1));
      EXPECT_EQ(cache.layer(i).capacity, 7u);
    }
  }
}

TEST(KvCache, CountsWhatIsUsed) {
  model::KvCache cache(layout, 100, ops::KvType::f16);
  EXPECT_EQ(cache.bytes_used(), 0u);
  cache.commit(10);
  EXPECT_EQ(cache.used(), 10u);
  EXPECT_EQ(cache.bytes_used(), 10u * 3 * 2 * (32 + 64) * 2);
  cache.truncate(20);
  EXPECT_EQ(cache.used(), 10u);
  cache.truncate(4);
  EXPECT_EQ(cache.used(), 4u);
}

TEST(KvCache, RefusesWhatNoMemoryCanHold) {
  const auto code_of = [](std::size_t capacity, ops::KvType type, std::size_t width) {
    try {
      model::KvCache cache({.layers = 1000, .heads_kv = 100, .key_width = width, .value_width = width}, capacity, type);
    } catch (const Error& error) {
      return error.code();
    }
    return Code::internal;
  };
  EXPECT_EQ(code_of(0, ops::KvType::f16, 64), Code::usage);
  EXPECT_EQ(code_of(std::size_t{1} << 40, ops::KvType::f16, 64), Code::out_of_memory);
  EXPECT_EQ(code_of(std::numeric_limits<std::size_t>::max(), ops::KvType::f16, 64), Code::out_of_memory);
  EXPECT_EQ(code_of(16, ops::KvType::q8_0, 20), Code::unsupported);
}

}  // namespace
