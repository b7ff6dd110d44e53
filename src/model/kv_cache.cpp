#include "model/kv_cache.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include "base/error.h"
#include "base/reader.h"

namespace hearth::model {

namespace {

constexpr std::size_t page = 4096;

// Bytes of one layer's keys (or values): every head's rows in one block, blocks at whole pages.
std::size_t block_bytes(std::size_t heads, std::size_t capacity, std::size_t row_bytes) {
  const std::uint64_t bytes = checked_multiply(checked_multiply(heads, capacity, "KV cache"), row_bytes, "KV cache");
  return static_cast<std::size_t>(checked_add(bytes, page - 1, "KV cache") / page * page);
}

}  // namespace

KvCache::KvCache(const Layout& layout, std::size_t capacity, ops::KvType type)
    : layout_(layout), capacity_(capacity), type_(type) {
  if (capacity == 0) throw Error(Code::usage, "a context of 0 tokens", {}, "ask for at least 1");
  key_block_ = block_bytes(layout.heads_kv, capacity, ops::kv_row_bytes(type, layout.key_width));
  value_block_ = block_bytes(layout.heads_kv, capacity, ops::kv_row_bytes(type, layout.value_width));
  reserved_ = static_cast<std::size_t>(
      checked_multiply(checked_add(key_block_, value_block_, "KV cache"), layout.layers, "KV cache"));
  void* const memory =
      ::mmap(nullptr, reserved_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    throw Error(
        Code::out_of_memory,
        fmt::format("no room for the keys and values of a context of {} tokens ({} MB)", capacity, reserved_ >> 20), {},
        "choose a smaller context");
  memory_ = static_cast<std::byte*>(memory);
}

KvCache::~KvCache() {
  ::munmap(memory_, reserved_);
}

std::size_t KvCache::bytes_used() const noexcept {
  return used_ * layout_.layers * layout_.heads_kv *
         (ops::kv_row_bytes(type_, layout_.key_width) + ops::kv_row_bytes(type_, layout_.value_width));
}

ops::KvView KvCache::layer(std::size_t index) const {
  HEARTH_CHECK(index < layout_.layers);
  std::byte* const keys = memory_ + index * (key_block_ + value_block_);
  return {.type = type_,
          .keys = keys,
          .values = keys + key_block_,
          .heads_kv = layout_.heads_kv,
          .capacity = capacity_,
          .key_width = layout_.key_width,
          .value_width = layout_.value_width};
}

}  // namespace hearth::model
