#include "capi/model.h"

#include <cstddef>
#include <limits>

#include "capi/arguments.h"
#include "capi/cancellation.h"

using namespace hearth;
using namespace hearth::capi;

namespace {

constexpr std::size_t options_v1 = offsetof(hearth_model_options, all_logits), info_v1 = sizeof(hearth_model_info);
// How far opening is when the file is mapped and checked, its tensors are bound, its tokenizer is made.
constexpr double mapped = 0.05, bound = 0.1, ready = 0.3;

hearth_model_options defaults() {
  hearth_model_options options{};
  options.struct_size = sizeof options;
  options.batch_tokens = 512;
  options.cache_type = HEARTH_CACHE_F16;
  options.preload = 1;
  return options;
}

ops::KvType cache_type(std::int32_t type) {
  switch (type) {
    case HEARTH_CACHE_F16:
      return ops::KvType::f16;
    case HEARTH_CACHE_F32:
      return ops::KvType::f32;
    case HEARTH_CACHE_Q8_0:
      return ops::KvType::q8_0;
    case HEARTH_CACHE_Q4_0:
      return ops::KvType::q4_0;
    default:
      throw Error(Code::usage, fmt::format("cache_type is {}", type), {}, "take one of HEARTH_CACHE_...");
  }
}

engine::EngineOptions engine_options(const hearth_model_options& options) {
  if (options.threads > 1024)
    throw Error(Code::usage, fmt::format("threads is {}", options.threads), {}, "take at most 1024");
  if (options.batch_tokens < 1 || options.batch_tokens > 65536)
    throw Error(Code::usage, fmt::format("batch_tokens is {}", options.batch_tokens), {}, "take 1 to 65536");
  return {.threads = options.threads,
          .context = options.context_length,
          .batch_tokens = options.batch_tokens,
          .kv_type = cache_type(options.cache_type),
          .shift = options.shift != 0,
          .screen = options.all_logits == 0};
}

// Touches every page of the weights, in the order of the file.
void preload(const gguf::File& file, const Watch& watch) {
  constexpr std::size_t page = 4096, stretch = std::size_t{16} << 20;
  std::uint64_t total = 1, done = 0;
  for (const gguf::Tensor& tensor : file.tensors()) total += tensor.data.size();
  for (const gguf::Tensor& tensor : file.tensors())
    for (std::size_t begin = 0; begin < tensor.data.size(); begin += stretch) {
      const std::size_t count = std::min(stretch, tensor.data.size() - begin);
      const volatile std::byte* const bytes = tensor.data.data() + begin;
      for (std::size_t at = 0; at < count; at += page) static_cast<void>(bytes[at]);
      done += count;
      watch.reach(ready + (1 - ready) * double(done) / double(total));
    }
}

std::uint32_t clamp32(std::uint64_t value) {
  return std::uint32_t(std::min<std::uint64_t>(value, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace

hearth_status hearth_model_options_init(hearth_model_options* options, size_t struct_size, hearth_error** error) {
  return guard(error, [&] { write(options, struct_size, defaults(), options_v1, "hearth_model_options"); });
}

hearth_status hearth_model_open(const char* path, const hearth_model_options* options, hearth_model** model,
                                hearth_error** error) {
  return guard(error, [&] {
    need(model, "model");
    *model = nullptr;
    need(path, "path");
    const auto given = read(options, defaults(), options_v1, "hearth_model_options");
    const auto wanted = engine_options(given);
    const Watch watch(given.on_progress, given.user, given.cancellation);
    watch.reach(0);
    auto file = gguf::File::open(path);
    watch.reach(mapped);
    auto weights = model::Model::open(std::move(file));
    watch.reach(bound);
    auto opened = std::make_shared<Model>(std::make_shared<engine::Engine>(std::move(weights), wanted));
    watch.reach(ready);
    if (given.preload) preload(opened->engine()->model().file(), watch);
    watch.reach(1);
    *model = publish<hearth_model>(std::move(opened));
  });
}

void hearth_model_close(hearth_model* model) {
  take(model);
}

hearth_status hearth_model_get_info(hearth_model* model, hearth_model_info* info, hearth_error** error) {
  return guard(error, [&] {
    const auto opened = get(model);
    need(info, "info");
    const engine::Engine& engine = *opened->engine();
    const model::Model& weights = engine.model();
    hearth_model_info value{};
    for (const gguf::Tensor& tensor : weights.file().tensors()) value.parameter_count += tensor.elements();
    value.file_bytes = weights.file().bytes();
    value.context_length = clamp32(engine.context_length());
    value.trained_context = clamp32(weights.context_length());
    value.vocabulary_size = clamp32(weights.vocabulary_size());
    value.embedding_length = clamp32(weights.width());
    value.layer_count = clamp32(weights.hyperparameters().layers);
    value.threads = clamp32(engine.threads());
    value.bos_token = value.eos_token = HEARTH_NO_TOKEN;
    if (engine.has_tokenizer()) {
      value.bos_token = engine.tokenizer().bos();
      value.eos_token = engine.tokenizer().eos();
      value.has_chat_template = engine.chat_prompt().has_template();
    }
    value.has_tokenizer = engine.has_tokenizer();
    value.is_encoder = weights.is_encoder();
    write(info, info->struct_size, value, info_v1, "hearth_model_info");
  });
}
