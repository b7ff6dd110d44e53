#include "model/model.h"

#include <fmt/format.h>

#include "base/error.h"
#include "model/transformer.h"
#include "model/work.h"

namespace hearth::model {

namespace {

const Family& family_of(const gguf::File& file) {
  const gguf::Metadata& metadata = file.metadata();
  if (const std::string type = metadata.string("general.type", "model"); type == "adapter")
    throw Error(Code::bad_input, "the file is an adapter, not a model", metadata.origin(),
                "give it beside the model it belongs to");
  return find_family(metadata.string("general.architecture"), metadata.origin());
}

}  // namespace

struct Model::Parts {
  gguf::File file;
  const Family& family;
  Hyperparameters hyperparameters;
  Weights weights;
  Transformer transformer;

  Parts(gguf::File f, const OpenOptions& options)
      : file(std::move(f)),
        family(family_of(file)),
        hyperparameters(read_hyperparameters(file, family, options.rope)),
        weights(bind_weights(file, family, hyperparameters)),
        transformer(family, hyperparameters, weights) {}
};

Model::Model(gguf::File file, const OpenOptions& options) : parts_(std::make_unique<Parts>(std::move(file), options)) {}
Model::~Model() = default;

std::shared_ptr<const Model> Model::open(const std::filesystem::path& path, const OpenOptions& options) {
  return open(gguf::File::open(path), options);
}

std::shared_ptr<const Model> Model::open(gguf::File file, const OpenOptions& options) {
  return std::shared_ptr<const Model>(new Model(std::move(file), options));
}

const gguf::File& Model::file() const noexcept {
  return parts_->file;
}
const Hyperparameters& Model::hyperparameters() const noexcept {
  return parts_->hyperparameters;
}
const Family& Model::family() const noexcept {
  return parts_->family;
}
const Weights& Model::weights() const noexcept {
  return parts_->weights;
}
std::size_t Model::vocabulary_size() const noexcept {
  return parts_->hyperparameters.vocabulary;
}
std::size_t Model::context_length() const noexcept {
  return parts_->hyperparameters.context_length;
}
std::size_t Model::width() const noexcept {
  return parts_->hyperparameters.width;
}
bool Model::is_encoder() const noexcept {
  return parts_->family.mask == Mask::both_ways;
}

std::unique_ptr<KvCache> Model::new_cache(std::size_t context, ops::KvType type) const {
  const Hyperparameters& h = parts_->hyperparameters;
  return std::make_unique<KvCache>(
      KvCache::Layout{
          .layers = h.layers, .heads_kv = h.heads_kv, .key_width = h.key_width, .value_width = h.value_width},
      context, type);
}

std::shared_ptr<Model::Scratch> Model::new_scratch() {
  return std::make_shared<Scratch>();
}

std::unique_ptr<ops::Screen> Model::new_screen() const {
  const Linear& output = parts_->weights.output;
  if (!output) return nullptr;
  const std::size_t read = work_of(parts_->file, parts_->hyperparameters).weight_bytes;
  return std::make_unique<ops::Screen>(output.weight, output.bias, read);
}

void Model::forward(ThreadPool& pool, std::span<const Segment> segments, Scratch& scratch, tensor::Rows out,
                    const ForwardOptions& options) const {
  parts_->transformer.forward(pool, segments, scratch, out, options);
}

void Model::forget(ThreadPool& pool, KvCache& cache, std::size_t first, std::size_t count) const {
  parts_->transformer.forget(pool, cache, first, count);
}

}  // namespace hearth::model
