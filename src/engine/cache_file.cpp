// A session's tokens, keys and values in a file: a GGUF of type "cache", so that any GGUF tool can look inside.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>

#include "base/error.h"
#include "engine/engine.h"
#include "gguf/writer.h"

namespace hearth::engine {

namespace {

constexpr std::string_view kind = "cache", kind_key = "general.type", model_key = "cache.model",
                           tokens_key = "cache.tokens";

// Tells models apart: their size, tensors' names and types, and the first bytes of each tensor. [FNV-1a]
std::uint64_t fingerprint(const gguf::File& file, std::span<const AdapterUse> adapters) {
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&](std::span<const std::byte> bytes) {
    for (const std::byte one : bytes) hash = (hash ^ std::uint64_t(one)) * 0x100000001b3;
  };
  const auto add_value = [&](auto value) { add(std::as_bytes(std::span(&value, 1))); };
  const auto add_file = [&](const gguf::File& one) {
    add_value(one.bytes());
    for (const gguf::Tensor& tensor : one.tensors()) {
      add(std::as_bytes(std::span(tensor.name)));
      add_value(tensor.type);
      add(tensor.data.first(std::min<std::size_t>(tensor.data.size(), 64)));
    }
  };
  add_file(file);
  for (const AdapterUse& use : adapters) {
    add_file(use.adapter->file());
    add_value(use.scale);
  }
  return hash;
}

// One layer's keys or values: rows of one head follow each other in the cache, `capacity` of them, and `used` in a
// file.
struct Part {
  gguf::TensorPlan plan;
  std::byte* memory;
  std::size_t head_stride, head_bytes, heads;
};

std::vector<Part> parts_of(const model::KvCache& cache, std::size_t layers, std::size_t used) {
  std::vector<Part> parts;
  for (std::size_t i = 0; i < layers; ++i) {
    const ops::KvView view = cache.layer(i);
    for (const bool keys : {true, false}) {
      const std::size_t width = keys ? view.key_width : view.value_width, bytes = ops::kv_row_bytes(view.type, width);
      parts.push_back({.plan = {fmt::format("blk.{}.{}", i, keys ? "keys" : "values"),
                                model::tensor_type(view.type),
                                {width, used, view.heads_kv}},
                       .memory = keys ? view.keys : view.values,
                       .head_stride = view.capacity * bytes,
                       .head_bytes = used * bytes,
                       .heads = view.heads_kv});
    }
  }
  return parts;
}

}  // namespace

void Session::save(const std::filesystem::path& path) const {
  const model::Model& model = engine_->model();
  const std::size_t used = cache_->used();
  if (used == 0) throw Error(Code::usage, "the session holds no tokens yet", {}, "save it after an answer");
  gguf::Metadata metadata;
  metadata.set(kind_key, {std::string(kind)});
  metadata.set("general.architecture", {std::string(model.family().name)});
  metadata.set(model_key, {fingerprint(model.file(), adapters_)});
  metadata.set(tokens_key, {gguf::Array(std::vector<std::int32_t>(tokens_.begin(), tokens_.end()))});
  const auto parts = parts_of(*cache_, model.hyperparameters().layers, used);
  std::vector<gguf::TensorPlan> plans;
  plans.reserve(parts.size());
  for (const Part& part : parts) plans.push_back(part.plan);
  auto part = parts.begin();
  gguf::write(path, metadata, plans, [&](const gguf::TensorPlan&, const gguf::Sink& sink) {
    for (std::size_t head = 0; head < part->heads; ++head)
      sink({part->memory + head * part->head_stride, part->head_bytes});
    ++part;
  });
}

void Session::load(const std::filesystem::path& path) {
  const model::Model& model = engine_->model();
  const gguf::File file = gguf::File::open(path);
  const gguf::Metadata& metadata = file.metadata();
  const auto refuse = [&](const std::string& what) {
    throw Error(Code::bad_input, what, path.string(), "run the prompt again and save anew");
  };
  if (metadata.string(kind_key, "") != kind) refuse("this is no saved cache");
  if (metadata.integer(model_key, 0) != fingerprint(model.file(), adapters_))
    refuse("the cache was saved with another model or other adapters");
  const auto saved = metadata.integers(tokens_key);
  if (saved.empty() || saved.size() > cache_->capacity())
    throw Error(Code::too_long,
                fmt::format("the cache holds {} tokens and the context {}", saved.size(), cache_->capacity()),
                path.string(), "raise the context");
  std::vector<Token> tokens;
  for (const std::int64_t token : saved) {
    if (token < 0 || std::uint64_t(token) >= model.vocabulary_size())
      refuse(fmt::format("token {} is not in the vocabulary", token));
    tokens.push_back(Token(token));
  }
  const auto parts = parts_of(*cache_, model.hyperparameters().layers, tokens.size());
  for (const Part& part : parts) {
    const gguf::Tensor* const tensor = file.find(part.plan.name);
    if (!tensor || tensor->type != part.plan.type || tensor->shape != part.plan.shape)
      refuse(fmt::format("tensor {} is missing, or not as this session keeps it (its cache type?)", part.plan.name));
  }
  clear();
  for (const Part& part : parts) {
    const std::byte* from = file.find(part.plan.name)->data.data();
    for (std::size_t head = 0; head < part.heads; ++head, from += part.head_bytes)
      std::memcpy(part.memory + head * part.head_stride, from, part.head_bytes);
  }
  cache_->commit(tokens.size());
  tokens_ = std::move(tokens);
}

}  // namespace hearth::engine
