// The keys and values of one sequence, all layers.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "ops/attention.h"

namespace hearth::model {

// The number format whose blocks a cache of this type holds.
tensor::Type tensor_type(ops::KvType type);

class KvCache {
 public:
  struct Layout {
    std::size_t layers = 0, heads_kv = 0, key_width = 0, value_width = 0;
  };
  // Reserves address space for `capacity` positions; pages are used as they are written. Throws out_of_memory.
  KvCache(const Layout& layout, std::size_t capacity, ops::KvType type);
  ~KvCache();
  KvCache(const KvCache&) = delete;
  KvCache& operator=(const KvCache&) = delete;

  std::size_t capacity() const noexcept { return capacity_; }
  std::size_t used() const noexcept { return used_; }  // positions [0, used) are valid
  std::size_t bytes_used() const noexcept;
  ops::KvType type() const noexcept { return type_; }

  ops::KvView layer(std::size_t index) const;
  void commit(std::size_t tokens) noexcept { used_ += tokens; }  // Model::forward does this
  void truncate(std::size_t used) noexcept { used_ = used < used_ ? used : used_; }

 private:
  Layout layout_;
  std::size_t capacity_;
  std::size_t used_ = 0;
  ops::KvType type_;
  std::byte* memory_ = nullptr;
  std::size_t reserved_ = 0;
  std::size_t key_block_ = 0, value_block_ = 0;  // bytes of one layer's
};

}  // namespace hearth::model
