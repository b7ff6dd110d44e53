// UTF-8: how much of a string is well formed. [RFC 3629]
#pragma once

#include <cstddef>
#include <string_view>

namespace hearth {

// Bytes from the start that are whole, well-formed characters.
std::size_t utf8_valid_prefix(std::string_view text) noexcept;
inline bool is_utf8(std::string_view text) noexcept {
  return utf8_valid_prefix(text) == text.size();
}

}  // namespace hearth
