#include "model/adapter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "model/weights.h"

namespace hearth::model {

namespace {

constexpr std::string_view suffix_a = ".lora_a", suffix_b = ".lora_b";

const gguf::Tensor& pair_of(const gguf::File& file, std::string_view base, std::string_view suffix) {
  const std::string name = std::string(base) + std::string(suffix);
  const gguf::Tensor* tensor = file.find(name);
  if (!tensor) throw Error(Code::bad_input, fmt::format("there is no tensor {}", name), file.metadata().origin());
  return *tensor;
}

}  // namespace

std::shared_ptr<const Adapter> Adapter::open(const std::filesystem::path& path, const Model& model) {
  return open(gguf::File::open(path), model);
}

std::shared_ptr<const Adapter> Adapter::open(gguf::File file, const Model& model) {
  return std::shared_ptr<const Adapter>(new Adapter(std::move(file), model));
}

Adapter::Adapter(gguf::File file, const Model& model) : file_(std::move(file)) {
  const gguf::Metadata& metadata = file_.metadata();
  const auto refuse = [&](Code code, const std::string& fault, std::string_view advice = {}) {
    throw Error(code, fault, metadata.origin(), advice);
  };
  if (metadata.string("general.type", "model") != "adapter" || metadata.string("adapter.type", "") != "lora")
    refuse(Code::bad_input, "the file is no LoRA adapter");
  const std::string family = metadata.string("general.architecture", "");
  if (family != model.family().name)
    refuse(Code::bad_input, fmt::format("an adapter for another model: its family is '{}'", family),
           fmt::format("the model's is '{}'", model.family().name));
  const double alpha = metadata.number("adapter.lora.alpha", 0);
  if (!std::isfinite(alpha)) refuse(Code::bad_input, fmt::format("adapter.lora.alpha is {}", alpha));

  const std::vector<std::string_view>& names = model.weights().names;
  by_id_.resize(names.size());
  for (const gguf::Tensor& tensor : file_.tensors()) {
    const std::string_view name = tensor.name;
    if (name.ends_with(suffix_b)) {
      pair_of(file_, name.substr(0, name.size() - suffix_b.size()), suffix_a);
      continue;
    }
    if (!name.ends_with(suffix_a)) refuse(Code::bad_input, fmt::format("tensor {} belongs to no LoRA adapter", name));
    const std::string_view base = name.substr(0, name.size() - suffix_a.size());
    const gguf::Tensor& other = pair_of(file_, base, suffix_b);
    const gguf::Tensor* weight = model.file().find(base);
    if (!weight)
      refuse(Code::bad_input, fmt::format("an adapter for another model: it adapts {}", base),
             "the model has no such tensor");
    const auto id = std::find(names.begin(), names.end(), base);
    if (id == names.end() || weight->shape.size() != 2 || base == "token_embd.weight")
      refuse(Code::unsupported, fmt::format("an adapter of {}", base),
             "only matrices of layers and the output can have one");
    const tensor::Matrix whole = weight->matrix(), a = tensor.matrix(), b = other.matrix();
    if (a.columns != whole.columns || b.rows != whole.rows || a.rows != b.columns)
      refuse(Code::bad_input,
             fmt::format("an adapter for another model: {} is {} x {}, its adapter {} x {} times {} x {}", base,
                         whole.rows, whole.columns, b.rows, b.columns, a.rows, a.columns));
    for (const tensor::Matrix& part : {a, b})
      if (part.type == tensor::Type::i32)
        refuse(Code::bad_input, fmt::format("the adapter of {} has the type {}", base, tensor::info(part.type).name));
    by_id_[static_cast<std::size_t>(id - names.begin())] = {
        .a = a, .b = b, .scale = alpha == 0 ? 1.0f : static_cast<float>(alpha / static_cast<double>(a.rows))};
  }
  if (file_.tensors().empty()) refuse(Code::bad_input, "the adapter has no tensors");
}

}  // namespace hearth::model
