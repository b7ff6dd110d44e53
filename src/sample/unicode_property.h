// Unicode properties, as \p{...} of ECMA-262 names them.
#pragma once

#include <optional>
#include <string_view>

#include "sample/character_set.h"

namespace hearth::sample {

// General categories by their short or long names, alone or after gc= or General_Category=; Any, Assigned and ASCII.
// Nothing for others: what Unicode says of scripts is not carried along.
std::optional<CharacterSet> unicode_property(std::string_view name);

}  // namespace hearth::sample
