// Words shared by every room.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hearth {

using Token = std::int32_t;  // an index into a model's vocabulary
inline constexpr Token no_token = -1;

}  // namespace hearth
