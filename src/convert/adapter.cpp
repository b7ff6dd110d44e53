// PEFT's LoRA adapters to GGUF adapters. [arXiv 2106.09685; https://huggingface.co/docs/peft]
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "convert/import.h"
#include "convert/model_card.h"
#include "model/model.h"

namespace hearth::convert {

namespace {

struct Base {
  const Family* family = nullptr;
  Dimensions dimensions;
  std::uint64_t rotated = 0;  // of each head
};

Base base_of_file(const std::filesystem::path& path) {
  const auto model = model::Model::open(path);
  const auto& h = model->hyperparameters();
  const std::string_view name = model->family().name;
  const auto found = std::find_if(families().begin(), families().end(),
                                  [&](const Family& family) { return family.architecture == name; });
  if (found == families().end())
    throw Error(Code::unsupported, fmt::format("adapters of the family {}", name), path.string());
  return {.family = &*found,
          .dimensions = {.width = h.width,
                         .vocabulary = h.vocabulary,
                         .layers = h.layers,
                         .heads = h.heads,
                         .heads_kv = h.heads_kv,
                         .head = h.key_width,
                         .feed_forward = h.feed_forward,
                         .experts = h.mixture.experts,
                         .expert_feed_forward = h.mixture.feed_forward},
          .rotated = h.rotary.dimensions};
}

Base base_of_config(const std::filesystem::path& config) {
  const Model model = read_model(config);
  return {.family = model.family,
          .dimensions = model.dimensions,
          .rotated = rope_dimensions(*model.family, model.config, model.dimensions)};
}

// The model's shapes decide how rows are ordered, and the adapter does not say them: given, or beside the adapter, or
// where its config says it was made from.
Base find_base(const std::filesystem::path& folder, const JsonObject& config, const std::filesystem::path& given) {
  if (!given.empty())
    return std::filesystem::is_directory(given) ? base_of_config(given / "config.json") : base_of_file(given);
  const std::filesystem::path named = config.string("base_model_name_or_path", "");
  const auto absolute = std::filesystem::absolute(folder).lexically_normal();
  const auto above = (absolute.filename().empty() ? absolute.parent_path() : absolute).parent_path();
  std::vector<std::filesystem::path> candidates = {folder};
  if (!named.empty()) candidates.insert(candidates.end(), {named, above / named, above / named.filename()});
  candidates.push_back(above);
  for (const auto& candidate : candidates) {
    if (std::filesystem::exists(candidate / "config.json")) return base_of_config(candidate / "config.json");
    if (candidate.extension() == ".gguf" && std::filesystem::is_regular_file(candidate)) return base_of_file(candidate);
  }
  throw Error(Code::not_found, fmt::format("the model that the adapter is for, {}, is not at hand", named.string()),
              folder.string(), "say where it is with --base");
}

class AdapterPlanner {
 public:
  AdapterPlanner(const Base& base, const JsonObject& config, const Safetensors& checkpoint, tensor::Type type)
      : base_(base), config_(config), checkpoint_(checkpoint), type_(type), alpha_(config.number({"lora_alpha"}, 8)) {
    if (!std::isfinite(alpha_) || alpha_ <= 0) config.fail(fmt::format("lora_alpha is {}", alpha_));
    const std::string kind = config.string("peft_type", "LORA");
    if (kind != "LORA") refuse(fmt::format("an adapter of the kind {}", kind));
    if (config.boolean("use_dora", false)) refuse("a DoRA adapter (use_dora)");
    if (config.string("bias", "none") != "none") refuse("an adapter with biases");
    if (const Json* saved = config.find({"modules_to_save"}); saved && !saved->empty())
      refuse("an adapter with whole modules (modules_to_save)");
  }

  std::vector<PlannedTensor> plan() {
    struct Pair {
      const SourceTensor *a = nullptr, *b = nullptr;
    };
    std::map<std::string, Pair> pairs;  // by the name of the adapted module
    for (const auto& [name, tensor] : checkpoint_.tensors()) {
      const auto at = name.find(".lora_");
      const std::string part = at == name.npos ? "" : name.substr(at);
      if (part.starts_with(".lora_A."))
        pairs[name.substr(0, at)].a = &tensor;
      else if (part.starts_with(".lora_B."))
        pairs[name.substr(0, at)].b = &tensor;
      else
        refuse(fmt::format("the adapter's tensor {}", name));
    }
    if (pairs.empty()) throw Error(Code::bad_input, "the adapter has no tensors", checkpoint_.origin());
    for (const auto& [module, pair] : pairs) {
      if (!pair.a || !pair.b)
        throw Error(Code::not_found, fmt::format("{} has only one half of its adapter", module), checkpoint_.origin());
      add(module, *pair.a, *pair.b);
    }
    return std::move(planned_);
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    throw Error(Code::unsupported, what, config_.origin(), "GGUF adapters hold pairs of low rank");
  }

  void add(const std::string& module, const SourceTensor& a, const SourceTensor& b) {
    std::string_view name = module;
    for (const std::string_view prefix : {"base_model.model.", "base_model."})
      if (name.starts_with(prefix)) {
        name.remove_prefix(prefix.size());
        break;
      }
    const auto mapping = map_tensor(*base_.family, std::string(name) + ".weight", checkpoint_.origin());
    if (!mapping || mapping->shape.size() != 2 || mapping->expert || mapping->name == "token_embd.weight")
      refuse(fmt::format("an adapter of {}", name));
    const auto rows = base_.dimensions.of(mapping->shape[0]), columns = base_.dimensions.of(mapping->shape[1]);
    const bool fits = a.shape.size() == 2 && b.shape.size() == 2 && a.shape[0] == b.shape[1] && a.shape[0] > 0 &&
                      (!columns || a.shape[1] == *columns) && (!rows || b.shape[0] == *rows);
    if (!fits)
      throw Error(
          Code::bad_input,
          fmt::format("an adapter for another model: {} is [{}] by [{}], the model's matrix {} x {}", name,
                      fmt::join(b.shape, ", "), fmt::join(a.shape, ", "), rows.value_or(0), columns.value_or(0)),
          checkpoint_.origin());
    for (const SourceTensor* tensor : {&a, &b})
      if (!is_float(tensor->dtype))
        refuse(fmt::format("the type {} of {}", convert::name(tensor->dtype), tensor->name));
    const auto type = [&](const std::vector<std::uint64_t>& shape) {
      return shape[0] % tensor::info(type_).block_weights == 0 ? type_ : tensor::Type::f32;
    };
    const std::vector<std::uint64_t> shape_a = {a.shape[1], a.shape[0]}, shape_b = {b.shape[1], b.shape[0]};
    planned_.push_back({.plan = {.name = mapping->name + ".lora_a", .type = type(shape_a), .shape = shape_a},
                        .pieces = {{.tensor = &a, .rows = a.shape[0]}}});
    planned_.push_back({.plan = {.name = mapping->name + ".lora_b", .type = type(shape_b), .shape = shape_b},
                        .pieces = {{.tensor = &b, .rows = b.shape[0]}},
                        .factor = scale_beyond_alpha(std::string(name), static_cast<double>(a.shape[0])),
                        .row_from = row_order(*base_.family, base_.dimensions, base_.rotated, mapping->name)});
  }

  // Readers multiply by alpha / rank; what a module wants beyond that goes into its weights.
  float scale_beyond_alpha(const std::string& module, double rank) const {
    double alpha = alpha_;
    const JsonObject pattern = config_.object("alpha_pattern");
    for (const auto& [key, value] : pattern.json().items())
      if ((module == key || module.ends_with("." + key)) && value.is_number()) alpha = value.get<double>();
    const double wanted = alpha / (config_.boolean("use_rslora", false) ? std::sqrt(rank) : rank);
    return static_cast<float>(wanted * rank / alpha_);
  }

  const Base& base_;
  const JsonObject& config_;
  const Safetensors& checkpoint_;
  tensor::Type type_;
  double alpha_;
  std::vector<PlannedTensor> planned_;
};

}  // namespace

ImportResult import_adapter(const std::filesystem::path& folder, const std::filesystem::path& out,
                            const ImportOptions& options) {
  const tensor::Type type = options.type.value_or(tensor::Type::f32);
  check_type(type);
  const auto config_path = folder / "adapter_config.json", weights = folder / "adapter_model.safetensors";
  const JsonObject config(read_json(config_path), config_path.string());
  if (!std::filesystem::exists(weights)) {
    const bool pickled = std::filesystem::exists(folder / "adapter_model.bin");
    throw Error(Code::not_found, "no adapter_model.safetensors", folder.string(),
                pickled ? "pickled weights (adapter_model.bin) are not read: save the adapter as safetensors" : "");
  }
  const Safetensors checkpoint = Safetensors::open_file(weights);
  const Base base = find_base(folder, config, options.base);
  const auto planned = AdapterPlanner(base, config, checkpoint, type).plan();

  ImportResult result{
      .kind = "adapter", .architecture = std::string(base.family->architecture), .tensors = planned.size()};
  for (const PlannedTensor& tensor : planned) result.weights += tensor.rows() * tensor.columns();
  gguf::Metadata metadata(folder.string());
  metadata.set("general.architecture", {result.architecture});
  metadata.set("general.type", {std::string("adapter")});
  metadata.set("adapter.type", {std::string("lora")});
  metadata.set("adapter.lora.alpha", {static_cast<float>(config.number({"lora_alpha"}, 8))});
  add_origin(folder, config, {.all = result.weights}, metadata);
  result.bytes = write_file(out, metadata, planned, checkpoint, options, [](const gguf::File&) {});
  return result;
}

}  // namespace hearth::convert
