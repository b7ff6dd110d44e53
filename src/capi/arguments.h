// What crosses the C ABI: texts and structs in, copies for hearth_free out.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "base/types.h"
#include "capi/guard.h"

namespace hearth::capi {

inline void need(const void* argument, const char* name) {
  if (!argument) throw Misuse(HEARTH_USAGE, fmt::format("{} is NULL", name));
}

// Any bytes. NULL with a length of 0 is the empty text.
inline std::string_view bytes(const char* text, std::size_t length, const char* name) {
  if (length == 0 && !text) return {};
  need(text, name);
  return length == HEARTH_NUL_TERMINATED ? std::string_view(text) : std::string_view(text, length);
}

// Throws bad_input where it is not UTF-8.
std::string_view utf8(const char* text, std::size_t length, const char* name);
inline std::string_view utf8(const char* text, const char* name) {
  return utf8(text, HEARTH_NUL_TERMINATED, name);
}
// Throws bad_input naming the argument where it is no JSON.
nlohmann::ordered_json any_json(const char* text, const char* name);
// Also where it is not of `type`. NULL gives null where `optional`.
nlohmann::ordered_json json(const char* text, nlohmann::json::value_t type, const char* name, bool optional = false);

// The caller's fields over the defaults of those that it does not know. `first` is the size of the struct's first
// version.
template <class Struct>
Struct read(const Struct* given, const Struct& defaults, std::size_t first, const char* name) {
  if (!given) return defaults;
  std::size_t size;
  std::memcpy(&size, given, sizeof size);
  if (size < first || size > sizeof(Struct))
    throw Misuse(HEARTH_USAGE,
                 fmt::format("{}.struct_size is {} and this library knows {} to {}, initialise it with {}", name, size,
                             first, sizeof(Struct), "its _init function or sizeof"));
  Struct result = defaults;
  std::memcpy(&result, given, size);
  return result;
}

// Writes the fields that the caller's struct has room for; struct_size stays the caller's.
template <class Struct>
void write(Struct* out, std::size_t size, Struct value, std::size_t first, const char* name) {
  need(out, name);
  if (size < first || size > sizeof(Struct))
    throw Misuse(HEARTH_USAGE, fmt::format("{}.struct_size is {} and this library knows {} to {}, set it to sizeof",
                                           name, size, first, sizeof(Struct)));
  value.struct_size = size;
  std::memcpy(out, &value, size);
}

// For the caller to free. Text gets a NUL.
char* copy_text(std::string_view text);
Token* copy_tokens(std::span<const Token> tokens);
void give_text(std::string_view value, char** text, std::size_t* length);

// The text with U+FFFD in place of what is not UTF-8.
std::string valid_utf8(std::string_view text);

}  // namespace hearth::capi
