// Metadata as JSON, to show and to hand on.
#pragma once

#include <nlohmann/json.hpp>

#include "gguf/metadata.h"

namespace hearth::gguf {

// Arrays of more than `most_elements` become {"length": N, "first": [...]}; 0: all elements. Numbers that are not
// finite are written as null; strings are taken as they are, UTF-8 or not.
nlohmann::ordered_json to_json(const Value& value, std::size_t most_elements = 0);
// An object, keys in the order of the file.
nlohmann::ordered_json to_json(const Metadata& metadata, std::size_t most_elements = 0);

}  // namespace hearth::gguf
