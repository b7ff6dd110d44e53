#include "tensor/type.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"
#include "tensor/encode.h"
#include "tensor/formats/formats.h"

namespace hearth::tensor {

namespace {

template <class Format>
void decode_all(const std::byte* blocks, float* weights, std::size_t count) {
  for (std::size_t i = 0; i < count; i += Format::weights, blocks += sizeof(Format)) {
    Format block;
    std::memcpy(&block, blocks, sizeof block);  // files need not align them
    decode(block, weights + i);
  }
}

template <class Format>
TypeInfo row() {
  return {Format::type, Format::name, Format::weights, sizeof(Format), decode_all<Format>, encoder(Format::type)};
}

template <class... Format>
std::vector<TypeInfo> make_table(FormatList<Format...>) {
  std::vector<TypeInfo> table{row<Format>()...};
  table.push_back({Type::i32, "I32", 1, 4, nullptr, nullptr});
  std::sort(table.begin(), table.end(), [](const TypeInfo& a, const TypeInfo& b) { return a.type < b.type; });
  return table;
}

}  // namespace

std::span<const TypeInfo> types() {
  static const std::vector<TypeInfo> table = make_table(Formats{});
  return table;
}

const TypeInfo* find_type(std::uint32_t number) {
  for (const TypeInfo& one : types())
    if (std::uint32_t(one.type) == number) return &one;
  return nullptr;
}

const TypeInfo* find_type(std::string_view name) {
  const auto same = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
  };
  for (const TypeInfo& one : types())
    if (std::equal(name.begin(), name.end(), one.name.begin(), one.name.end(), same)) return &one;
  return nullptr;
}

const TypeInfo& info(Type type) {
  const TypeInfo* found = find_type(std::uint32_t(type));
  HEARTH_CHECK(found);
  return *found;
}

}  // namespace hearth::tensor
