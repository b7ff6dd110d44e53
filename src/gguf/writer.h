// Writes GGUF v3, streamed: metadata and the table of tensors first, then each tensor's bytes in order.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "gguf/metadata.h"
#include "tensor/type.h"

namespace hearth::gguf {

struct TensorPlan {
  std::string name;
  tensor::Type type;
  std::vector<std::uint64_t> shape;  // GGUF's order
};

// Calls `fill` once for each tensor, in order; it must call `sink` with exactly the tensor's bytes, in as many pieces
// as it likes. The file appears under its name only when all is written (see AtomicFile). Tensors are aligned to
// general.alignment. Throws bad_input, before anything is written, for what the format does not allow (names, shapes,
// keys), io, and whatever `fill` throws. `late`, called when all tensors are written, gives the metadata again, where
// some of it could not be known before; its form must be of the same length.
using Sink = std::function<void(std::span<const std::byte>)>;
void write(const std::filesystem::path& path, const Metadata& metadata, const std::vector<TensorPlan>& tensors,
           const std::function<void(const TensorPlan&, const Sink&)>& fill, const std::function<Metadata()>& late = {});

// Before long work on the file `in`, of whose parts none must be lost to its result, nor any of `others`: see
// hearth::check_writable.
void check_writable(const std::filesystem::path& out, const std::filesystem::path& in,
                    const std::vector<std::filesystem::path>& others);

// The bytes of the tensor's data in the file.
std::uint64_t bytes(const TensorPlan& tensor);

}  // namespace hearth::gguf
