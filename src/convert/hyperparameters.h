// config.json to GGUF metadata.
#pragma once

#include <vector>

#include "convert/family.h"
#include "convert/json.h"
#include "gguf/metadata.h"

namespace hearth::convert {

// config.json as the rest of this room wants it: the text model's part of a multimodal one, with the family's defaults.
// Throws unsupported for what a GGUF file of this family cannot say (quantised weights, an unknown activation).
JsonObject text_config(const Family& family, const JsonObject& config);

// Checked against each other: heads divide the width, nothing is 0.
Dimensions dimensions(const Family& family, const JsonObject& config);

// Sets the keys of the architecture: general.architecture and all below ARCHITECTURE.*
void add_hyperparameters(const Family& family, const JsonObject& config, const Dimensions& dimensions,
                         gguf::Metadata& metadata);

// How many of a head's numbers are rotated.
std::uint64_t rope_dimensions(const Family& family, const JsonObject& config, const Dimensions& dimensions);

// Divisors of the rotary frequencies that the config's scaling asks for, as tensors; none: empty.
struct RopeFactors {
  std::vector<float> all;              // rope_freqs.weight (llama3, YaRN untruncated)
  std::vector<float> shorter, longer;  // rope_factors_short.weight, rope_factors_long.weight (longrope)
};
RopeFactors rope_factors(const Family& family, const JsonObject& config, const Dimensions& dimensions);

}  // namespace hearth::convert
