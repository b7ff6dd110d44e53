#include "compress/working_copy.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "compress/mixture.h"
#include "gguf/writer.h"

namespace hearth::compress {

using tensor::Type;

namespace {

constexpr std::size_t rows_at_once = 64;

Type unpacked(const gguf::Tensor& tensor) {
  return tensor::info(tensor.type).block_weights > 1 ? Type::f16 : tensor.type;
}

}  // namespace

WorkingCopy::WorkingCopy(const gguf::File& original, const std::filesystem::path& folder, Form form) {
  std::vector<gguf::TensorPlan> plans;
  for (const gguf::Tensor& tensor : original.tensors())
    plans.push_back({tensor.name, form == Form::as_it_is ? tensor.type : unpacked(tensor), tensor.shape});
  const std::filesystem::path path = folder / (".hearth-working-" + std::to_string(::getpid()));
  std::size_t next = 0;
  gguf::write(path, original.whole_metadata(), plans, [&](const gguf::TensorPlan& plan, const gguf::Sink& sink) {
    const gguf::Tensor& tensor = original.tensors()[next++];
    if (plan.type == tensor.type) {
      sink(tensor.data);
    } else {
      const tensor::Matrix matrix = tensor.matrix();
      std::vector<float> weights(rows_at_once * matrix.columns);
      std::vector<std::byte> out(weights.size() * 2);
      for (std::size_t row = 0; row < matrix.rows; row += rows_at_once) {
        const std::size_t count = std::min(rows_at_once, matrix.rows - row) * matrix.columns;
        tensor::info(tensor.type).decode(matrix.row(row), weights.data(), count);
        tensor::info(plan.type).encode(weights.data(), nullptr, out.data(), count);
        sink(std::span(out).first(count * 2));
      }
    }
    original.release(tensor);
  });
  file_ = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  const int fault = errno;
  try {
    model_ = model::Model::open(path);
  } catch (...) {
    ::unlink(path.c_str());
    if (file_ >= 0) ::close(file_);
    throw;
  }
  ::unlink(path.c_str());
  if (file_ < 0) throw Error(Code::io, std::strerror(fault), path.string());
}

WorkingCopy::~WorkingCopy() {
  ::close(file_);
}

// The model's mapping is shared, so what is written to the file is what it reads next.
void WorkingCopy::replace(std::string_view name, std::size_t first, tensor::ConstRows rows) {
  const gguf::Tensor* const tensor = model_->file().find(name);
  HEARTH_CHECK(tensor && rows.width == tensor->shape[0]);
  const tensor::TypeInfo& info = tensor::info(tensor->type);
  const std::size_t row_bytes = tensor::row_bytes(tensor->type, rows.width);
  std::vector<std::byte> bytes(rows.count * row_bytes);
  for (std::size_t i = 0; i < rows.count; ++i)
    info.encode(rows.row(i), nullptr, bytes.data() + i * row_bytes, rows.width);
  write(model_->file().position(*tensor) + first * row_bytes, bytes);
}

void WorkingCopy::replace(std::string_view name, std::span<const std::byte> bytes) {
  const gguf::Tensor* const tensor = model_->file().find(name);
  HEARTH_CHECK(tensor && bytes.size() == tensor->data.size());
  write(model_->file().position(*tensor), bytes);
}

void WorkingCopy::write(std::uint64_t at, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(file_, bytes.data(), bytes.size(), off_t(at));
    if (written <= 0) throw Error(Code::io, std::strerror(errno), "the working copy of the model");
    bytes = bytes.subspan(std::size_t(written));
    at += std::uint64_t(written);
  }
}

void WorkingCopy::restore(std::string_view name, const gguf::File& original) {
  const gguf::Tensor* const tensor = original.find(name);
  HEARTH_CHECK(tensor);
  const tensor::Matrix matrix = tensor->matrix();
  std::vector<float> weights(rows_at_once * matrix.columns);
  for (std::size_t row = 0; row < matrix.rows; row += rows_at_once) {
    const std::size_t count = std::min(rows_at_once, matrix.rows - row);
    tensor::info(tensor->type).decode(matrix.row(row), weights.data(), count * matrix.columns);
    replace(name, row, {weights.data(), count, matrix.columns});
  }
}

}  // namespace hearth::compress
