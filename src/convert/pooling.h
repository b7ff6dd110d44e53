// How an embedding model's hidden states become one vector, as sentence-transformers says.
#pragma once

#include <filesystem>

#include "convert/family.h"
#include "gguf/metadata.h"

namespace hearth::convert {

// ARCHITECTURE.pooling_type, of modules.json and the pooling module's config.json; nothing where they are absent.
// Throws unsupported naming a module or a way of pooling that GGUF has no word for.
void add_pooling(const std::filesystem::path& folder, const Family& family, gguf::Metadata& metadata);

}  // namespace hearth::convert
