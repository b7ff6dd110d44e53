// A Hugging Face checkpoint, a folder, to one GGUF file that this program and llama.cpp load.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "tensor/type.h"

namespace hearth::convert {

struct ImportOptions {
  std::optional<tensor::Type> type = {};  // of matrices (see kept_type); F16, an adapter's F32
  std::filesystem::path base = {};        // an adapter's model: a checkpoint or a GGUF file; else it is looked for
  std::size_t threads = 0;                // 0: one a physical core
  std::function<void(std::uint64_t done, std::uint64_t total)> progress = {};  // bytes written; may throw to stop
};

struct ImportResult {
  std::string kind;          // "model" or "adapter"
  std::string architecture;  // general.architecture
  std::uint64_t tensors = 0, weights = 0, bytes = 0;
};

// `folder` holds a model (config.json, safetensors, tokenizer) or a PEFT adapter (adapter_config.json,
// adapter_model.safetensors). `out` appears whole or not at all. Memory: the largest tensor and some tens of megabytes.
// Throws not_found, bad_input or unsupported naming the file and the key, tensor or part at fault.
ImportResult import_folder(const std::filesystem::path& folder, const std::filesystem::path& out,
                           const ImportOptions& options = {});

}  // namespace hearth::convert
