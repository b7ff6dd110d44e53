#include "model/kv_cache.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include "base/error.h"

namespace hearth::model {

namespace {

constexpr std::size_t page = 4096;

[[noreturn]] void refuse(std::size_t capacity) {
  throw Error(Code::out_of_memory, fmt::format("no room for the keys and values of a context of {} tokens", capacity),
              {}, "choose a smaller context");
}

}  // namespace

tensor::Type tensor_type(ops::KvType type) {
  switch (type) {
    case ops::KvType::f32:
      return tensor::Type::f32;
    case ops::KvType::f16:
      return tensor::Type::f16;
    case ops::KvType::q8_0:
      return tensor::Type::q8_0;
    case ops::KvType::q4_0:
      return tensor::Type::q4_0;
  }
  return tensor::Type::f32;
}

KvCache::KvCache(const Layout& layout, std::size_t capacity, ops::KvType type)
    : layout_(layout), capacity_(capacity), type_(type) {
  if (capacity == 0) throw Error(Code::usage, "a context of 0 tokens", {}, "ask for at least 1");
  constexpr std::size_t address_space = std::size_t{1} << 47;
  const std::size_t key_bytes = layout.heads_kv * ops::kv_row_bytes(type, layout.key_width),
                    value_bytes = layout.heads_kv * ops::kv_row_bytes(type, layout.value_width);
  if (capacity > address_space / (layout.layers * (key_bytes + value_bytes))) refuse(capacity);
  key_block_ = (capacity * key_bytes + page - 1) / page * page;
  value_block_ = (capacity * value_bytes + page - 1) / page * page;
  reserved_ = layout.layers * (key_block_ + value_block_);
  void* const memory =
      ::mmap(nullptr, reserved_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) refuse(capacity);
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
