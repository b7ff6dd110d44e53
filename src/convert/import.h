// What imports of models and of adapters share. For this room only.
#pragma once

#include <functional>
#include <vector>

#include "convert/checkpoint.h"
#include "convert/hyperparameters.h"
#include "convert/tensor_plan.h"
#include "gguf/file.h"

namespace hearth::convert {

struct Model {
  const Family* family;
  JsonObject config;
  Dimensions dimensions;
};
Model read_model(const std::filesystem::path& config_path);

void check_type(tensor::Type type);  // throws unsupported for a type that has no encoder

// Writes the tensors beside `out`, lets `check` look at the file, which may throw, and gives it its name. The bytes
// written.
std::uint64_t write_file(const std::filesystem::path& out, const gguf::Metadata& metadata,
                         const std::vector<PlannedTensor>& planned, const Safetensors& checkpoint,
                         const ImportOptions& options, const std::function<void(gguf::File)>& check);

ImportResult import_adapter(const std::filesystem::path& folder, const std::filesystem::path& out,
                            const ImportOptions& options);

}  // namespace hearth::convert
