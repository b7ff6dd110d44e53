// Where a checkpoint comes from: its model card and settings, as general.* of a GGUF file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "convert/json.h"
#include "gguf/metadata.h"

namespace hearth::convert {

// The front matter of a README.md: top-level keys, each with its text or its list of texts. What nests deeper is left
// out; a text without front matter gives nothing.
using Card = std::map<std::string, std::vector<std::string>, std::less<>>;
Card parse_model_card(std::string_view readme);

struct WeightCount {
  std::uint64_t all = 0;      // of the model
  std::uint64_t experts = 0;  // of these, in experts
  std::uint64_t expert_count = 0;
};
// "135M", "8x7B".
std::string size_label(const WeightCount& count);

// general.name, .organization, .license, .languages, .tags, .base_model.*, .dataset.*, .size_label, and .sampling.* of
// generation_config.json. `config` is config.json or adapter_config.json.
void add_origin(const std::filesystem::path& folder, const JsonObject& config, const WeightCount& count,
                gguf::Metadata& metadata);

}  // namespace hearth::convert
