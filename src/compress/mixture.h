// Which tensor gets which type: formats, and the named mixtures that give some tensors more bits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compress/quantize.h"
#include "gguf/file.h"

namespace hearth::compress {

struct Mixture;

// Throws usage naming those there are.
const Mixture& find_mixture(std::string_view name);
std::string_view name(const Mixture& mixture);
std::uint32_t file_type(const Mixture& mixture);  // general.file_type

// Whether the tensor is a matrix of weights that compression applies to.
bool is_compressible(const gguf::Tensor& tensor);

// What overrides ask for, for each tensor of the file in its order. Throws unsupported where it cannot hold the tensor.
std::vector<std::optional<tensor::Type>> asked_types(const gguf::File& file, const QuantizeOptions& options);

// The type for each tensor: what was asked for, else the mixture's; with importance some mixtures give fewer tensors
// more bits.
std::vector<tensor::Type> plan_types(const gguf::File& file, const QuantizeOptions& options, bool has_importance);

// `type`, or the nearest that holds rows of so many columns.
tensor::Type that_fits(tensor::Type type, std::uint64_t columns);

// Of "blk.3.attn_q.weight" 3; of what belongs to no layer 0.
std::size_t layer_of(std::string_view tensor);

}  // namespace hearth::compress
