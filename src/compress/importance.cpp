#include "compress/importance.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "gguf/writer.h"

namespace hearth::compress {

namespace {

constexpr std::string_view sums_suffix = ".in_sum2", counts_suffix = ".counts", model_key = "hearth.importance.model";

std::vector<float> read_floats(const gguf::Tensor& tensor, const std::string& origin) {
  if (tensor.type != tensor::Type::f32)
    throw Error(Code::bad_input, fmt::format("tensor {} is {}, not F32", tensor.name, tensor::info(tensor.type).name),
                origin);
  std::vector<float> values(tensor.elements());
  std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
  for (const float value : values)
    if (!(value >= 0) || std::isinf(value))
      throw Error(Code::bad_input, fmt::format("tensor {} holds {}, which is no sum of squares", tensor.name, value),
                  origin);
  return values;
}

}  // namespace

std::vector<float> Importance::mean_squares(std::string_view tensor, std::size_t expert) const {
  const auto found = matrices.find(tensor);
  if (found == matrices.end()) return {};
  const Matrix& matrix = found->second;
  if (expert >= matrix.counts.size() || !(matrix.counts[expert] > 0)) return {};
  const float* const sums = matrix.sums.data() + expert * matrix.columns;
  std::vector<float> means(sums, sums + matrix.columns);
  for (float& mean : means) mean /= matrix.counts[expert];
  return means;
}

Importance Importance::read(const std::filesystem::path& path) {
  const gguf::File file = gguf::File::open(path);
  const std::string origin = path.string();
  const std::string kind = file.metadata().string("general.type", "model");
  if (kind != "imatrix")
    throw Error(Code::bad_input, fmt::format("general.type is '{}', not 'imatrix'", kind), origin,
                "make it with hearth importance");
  Importance result;
  if (file.metadata().has("imatrix.datasets")) result.datasets = file.metadata().strings("imatrix.datasets");
  result.chunks = static_cast<std::uint32_t>(file.metadata().integer("imatrix.chunk_count", 0));
  result.chunk_tokens = static_cast<std::uint32_t>(file.metadata().integer("imatrix.chunk_size", 0));
  result.model = file.metadata().string(model_key, "");
  for (const gguf::Tensor& tensor : file.tensors()) {
    const std::string_view name = tensor.name;
    if (!name.ends_with(sums_suffix)) continue;
    const std::string weight(name.substr(0, name.size() - sums_suffix.size()));
    const gguf::Tensor* const counts = file.find(weight + std::string(counts_suffix));
    if (!counts) throw Error(Code::bad_input, fmt::format("{} has no counts beside it", name), origin);
    Matrix matrix;
    matrix.columns = tensor.shape[0];
    matrix.sums = read_floats(tensor, origin);
    matrix.counts = read_floats(*counts, origin);
    if (matrix.counts.size() * matrix.columns != matrix.sums.size())
      throw Error(Code::bad_input,
                  fmt::format("{} has {} sums for {} columns and {} counts", weight, matrix.sums.size(), matrix.columns,
                              matrix.counts.size()),
                  origin);
    result.matrices.emplace(weight, std::move(matrix));
  }
  if (result.matrices.empty()) throw Error(Code::bad_input, "no sums of squares in it", origin);
  return result;
}

void Importance::write(const std::filesystem::path& path) const {
  gguf::Metadata metadata;
  metadata.set("general.type", {std::string("imatrix")});
  metadata.set("imatrix.datasets", {gguf::Array(datasets)});
  metadata.set("imatrix.chunk_count", {chunks});
  metadata.set("imatrix.chunk_size", {chunk_tokens});
  if (!model.empty()) metadata.set(model_key, {model});
  std::vector<gguf::TensorPlan> plans;
  std::vector<std::span<const float>> data;
  for (const auto& [weight, matrix] : matrices) {
    plans.push_back({weight + std::string(sums_suffix), tensor::Type::f32, {matrix.columns, matrix.counts.size()}});
    plans.push_back({weight + std::string(counts_suffix), tensor::Type::f32, {1, matrix.counts.size()}});
    data.emplace_back(matrix.sums);
    data.emplace_back(matrix.counts);
  }
  std::size_t next = 0;
  gguf::write(path, metadata, plans,
              [&](const gguf::TensorPlan&, const gguf::Sink& sink) { sink(std::as_bytes(data[next++])); });
}

void Importance::check_against(const gguf::File& file, const std::string& origin) const {
  const std::string other = file.metadata().string("general.name", "");
  if (!model.empty() && !other.empty() && model != other)
    throw Error(Code::bad_input, fmt::format("measured on '{}', and this model is '{}'", model, other), origin,
                "measure this model with hearth importance");
  for (const auto& [weight, matrix] : matrices) {
    const gguf::Tensor* const tensor = file.find(weight);
    const bool fits = tensor && tensor->shape[0] == matrix.columns &&
                      matrix.counts.size() == (tensor->shape.size() > 2 ? tensor->shape[2] : 1);
    if (fits) continue;
    throw Error(
        Code::bad_input,
        tensor ? fmt::format("{} has {} columns of {} matrices here, and {} of {} in the model", weight, matrix.columns,
                             matrix.counts.size(), tensor->shape[0], tensor->shape.size() > 2 ? tensor->shape[2] : 1)
               : fmt::format("{} is not in the model {}", weight, file.path().filename().string()),
        origin, "it was measured on another model; measure this one with hearth importance");
  }
}

std::size_t run_chunks(const model::Model& model, ThreadPool& pool, std::span<const Token> tokens, Token bos,
                       const CalibrationOptions& options, const model::Observer& observer,
                       const std::function<bool(std::size_t, std::size_t)>& progress, model::Tape* tape) {
  const std::size_t context = options.context;
  if (context < 2) throw Error(Code::usage, "a context below 2 measures nothing");
  if (tokens.size() < context)
    throw Error(Code::bad_input, fmt::format("the text has {} tokens and a chunk needs {}", tokens.size(), context), {},
                "give more text or a smaller context");
  const std::size_t fit = tokens.size() / context, chunks = options.chunks ? std::min(options.chunks, fit) : fit;
  const auto cache = model.is_encoder() ? nullptr : model.new_cache(context);
  const auto scratch = model::Model::new_scratch();
  std::vector<Token> chunk(context);
  std::vector<float> hidden(model.is_encoder() ? context * model.width() : 0);
  for (std::size_t i = 0; i < chunks; ++i) {
    std::copy_n(tokens.begin() + std::ptrdiff_t(i * context), context, chunk.begin());
    if (bos != no_token) chunk[0] = bos;
    if (cache) cache->truncate(0);
    const model::Segment segment{
        .cache = cache.get(), .tokens = chunk, .want = cache ? model::Segment::Want::none : model::Segment::Want::all};
    const tensor::Rows out{hidden.data(), cache ? 0 : context, model.width()};
    model.forward(pool, {&segment, 1}, *scratch, out,
                  {.observer = observer ? &observer : nullptr, .tape = tape, .care = ops::Care::outliers});
    if (progress && !progress(i + 1, chunks)) throw Error(Code::cancelled, "interrupted");
  }
  return chunks;
}

Importance measure_importance(const model::Model& model, ThreadPool& pool, std::span<const Token> tokens, Token bos,
                              const CalibrationOptions& options, std::string dataset,
                              const std::function<bool(std::size_t, std::size_t)>& progress) {
  Importance result;
  const model::Observer observer = [&](std::string_view weight, std::size_t expert, tensor::ConstRows x) {
    auto found = result.matrices.find(weight);
    if (found == result.matrices.end()) {
      const gguf::Tensor* const tensor = model.file().find(weight);
      HEARTH_CHECK(tensor);
      const std::size_t experts = tensor->shape.size() > 2 ? tensor->shape[2] : 1;
      found = result.matrices
                  .emplace(weight, Importance::Matrix{x.width, std::vector<float>(experts * x.width),
                                                      std::vector<float>(experts)})
                  .first;
    }
    float* const sums = found->second.sums.data() + expert * x.width;
    for (std::size_t i = 0; i < x.count; ++i) {
      const float* const row = x.row(i);
      for (std::size_t j = 0; j < x.width; ++j) sums[j] += row[j] * row[j];
    }
    found->second.counts[expert] += float(x.count);
  };
  result.chunks = static_cast<std::uint32_t>(run_chunks(model, pool, tokens, bos, options, observer, progress));
  result.chunk_tokens = static_cast<std::uint32_t>(options.context);
  result.datasets = {std::move(dataset)};
  result.model = model.file().metadata().string("general.name", "");
  return result;
}

}  // namespace hearth::compress
