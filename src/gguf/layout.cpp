#include "gguf/layout.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>

#include "base/error.h"

namespace hearth::gguf {

namespace {

std::string quoted(std::string_view text) {
  constexpr std::size_t shown = 80;
  return fmt::format("\"{}{}\"", text.substr(0, shown), text.size() > shown ? "..." : "");
}

}  // namespace

void check_key(std::string_view key, std::string_view origin) {
  if (key.empty()) throw Error(Code::bad_input, "a key is empty", origin);
  if (key.size() > key_limit)
    throw Error(Code::bad_input,
                fmt::format("the key {} is {} bytes long, at most {} are allowed", quoted(key), key.size(), key_limit),
                origin);
  if (!std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 0x7f; }))
    throw Error(Code::bad_input, fmt::format("the key {} holds a byte that no key may hold", quoted(key)), origin);
}

void check_tensor_name(std::string_view name, std::string_view origin) {
  if (name.empty()) throw Error(Code::bad_input, "a tensor has no name", origin);
  if (name.size() > name_limit)
    throw Error(Code::bad_input,
                fmt::format("the tensor name {} is {} bytes long, at most {} are allowed", quoted(name), name.size(),
                            name_limit),
                origin);
  if (std::any_of(name.begin(), name.end(), [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; }))
    throw Error(Code::bad_input, fmt::format("the tensor name {} holds a control character", quoted(name)), origin);
}

std::uint64_t alignment_of(const Metadata& metadata) {
  const std::uint64_t alignment = metadata.integer("general.alignment", default_alignment);
  constexpr std::uint64_t largest = std::uint64_t{1} << 31;
  if (!std::has_single_bit(alignment) || alignment < 8 || alignment > largest)
    throw Error(Code::bad_input, fmt::format("general.alignment is {}, not a power of two from 8 to 2^31", alignment),
                metadata.origin());
  return alignment;
}

std::uint64_t tensor_bytes(std::string_view name, tensor::Type type, std::span<const std::uint64_t> shape,
                           std::string_view origin) {
  const auto fail = [&](std::string_view fault) {
    throw Error(Code::bad_input, fmt::format("tensor {} {}", name, fault), origin);
  };
  if (shape.empty() || shape.size() > dimension_limit)
    fail(fmt::format("has {} dimensions, 1 to {} are allowed", shape.size(), dimension_limit));
  const tensor::TypeInfo& info = tensor::info(type);
  std::uint64_t elements = 1;
  for (const std::uint64_t size : shape) {
    if (size == 0) fail(fmt::format("has a dimension of 0: [{}]", fmt::join(shape, ", ")));
    if (__builtin_mul_overflow(elements, size, &elements))
      fail(fmt::format("is too large: [{}]", fmt::join(shape, ", ")));
  }
  if (shape[0] % info.block_weights != 0)
    fail(fmt::format("has rows of {}, not a multiple of the {} weights in a block of {}", shape[0], info.block_weights,
                     info.name));
  std::uint64_t bytes;
  if (__builtin_mul_overflow(elements / info.block_weights, std::uint64_t{info.block_bytes}, &bytes))
    fail(fmt::format("is too large: [{}]", fmt::join(shape, ", ")));
  return bytes;
}

}  // namespace hearth::gguf
