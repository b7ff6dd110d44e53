// Compresses a model file: from any type of GGUF to any other, tensor by tensor, streamed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/type.h"

namespace hearth::compress {

// How a block is chosen for its weights.
enum class Method {
  nearest,     // least squared error
  importance,  // least error weighted by how much each column's input matters (see importance.h)
  feedback,    // least error of the product over calibration activations: what a column loses, later ones make good
  selection,   // each part of the model by importance or by feedback, whichever leaves its predictions better
};
std::string_view name(Method method);
Method find_method(std::string_view name);  // throws usage naming those there are

struct TypeOverride {
  std::string pattern;  // a regular expression (ECMAScript), searched for in the tensor's name
  tensor::Type type;
};

struct QuantizeOptions {
  std::string type = "Q4_K_M";  // a format or a mixture, see type_names
  Method method = Method::nearest;
  std::filesystem::path importance;     // a file of importance.h
  std::filesystem::path calibration;    // a text; `feedback` and `selection` need it, `importance` makes do with it
  std::size_t context = 512;            // tokens in a chunk of the calibration
  std::size_t chunks = 0;               // 0: 40, or what there is
  std::vector<TypeOverride> overrides;  // the first that fits decides
  std::optional<tensor::Type> output_type, embedding_type;
  std::uint64_t target_bytes = 0;  // types by measured sensitivity such that the file is no larger; 0: as `type` says
  std::optional<double> target_bits;  // likewise, in bits a weight
  std::size_t threads = 0;            // 0: one a physical core
};

struct TensorReport {
  std::string name;
  tensor::Type from, to;
  std::uint64_t weights, bytes;
  double error = 0;  // squared, relative to the weights' own square; estimated on a sample of the rows
};

struct QuantizeReport {
  std::vector<TensorReport> tensors;
  std::uint64_t bytes = 0;  // of the file
  std::uint64_t weights = 0;
  double bits_per_weight = 0;
  double seconds = 0;
};

// Hears of each finished tensor (or chunk of calibration); false stops with cancelled.
using Progress = std::function<bool(std::string_view what, std::size_t done, std::size_t of)>;

// Writes `out` whole or not at all; `in` is never touched. Throws usage for unknown types and options that do not go
// together, bad_input naming the file, tensor or key at fault (an importance file of another model, weights that are no
// numbers), unsupported where a format cannot hold a tensor, io.
QuantizeReport quantize(const std::filesystem::path& in, const std::filesystem::path& out,
                        const QuantizeOptions& options, const Progress& progress = {});

// What QuantizeOptions::type may be: formats and mixtures.
std::vector<std::string_view> type_names();

}  // namespace hearth::compress
