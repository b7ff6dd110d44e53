#include "convert/hyperparameters.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "base/error.h"

namespace hearth::convert {

namespace {

// Sets keys below ARCHITECTURE.
class Keys {
 public:
  Keys(gguf::Metadata& metadata, std::string_view architecture, const JsonObject& config)
      : metadata_(metadata), prefix_(std::string(architecture) + "."), config_(config) {}

  void integer(std::string_view key, std::uint64_t value) {
    if (value > std::numeric_limits<std::uint32_t>::max()) config_.fail(fmt::format("{} is {}, too large", key, value));
    set(key, {static_cast<std::uint32_t>(value)});
  }
  void number(std::string_view key, double value) { set(key, {static_cast<float>(value)}); }
  void boolean(std::string_view key, bool value) { set(key, {value}); }
  void string(std::string_view key, std::string_view value) { set(key, {std::string(value)}); }
  void booleans(std::string_view key, std::vector<bool> value) { set(key, {gguf::Array(std::move(value))}); }
  // Where config.json has the key.
  void number_if(std::string_view key, std::string_view from) {
    if (config_.has(from)) number(key, config_.number({from}));
  }

 private:
  void set(std::string_view key, gguf::Value value) { metadata_.set(prefix_ + std::string(key), std::move(value)); }

  gguf::Metadata& metadata_;
  std::string prefix_;
  const JsonObject& config_;
};

bool is_class(const JsonObject& config, std::string_view name) {
  const Json* classes = config.find({"architectures"});
  return classes && classes->is_array() && !classes->empty() && (*classes)[0] == name;
}

// The rotary settings: rope_parameters today, rope_scaling beside rope_theta before; one set for each kind of layer
// where kinds differ.
JsonObject rope_settings(const JsonObject& config, std::string_view layers) {
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    if (!config.has(key)) continue;
    const JsonObject settings = config.object(key);
    return settings.has(layers) ? settings.object(layers) : settings;
  }
  return JsonObject(Json::object(), config.origin());
}

std::string rope_type(const JsonObject& settings) {
  const std::string type = settings.string("rope_type", settings.string("type", "default"));
  return type == "su" ? "longrope" : type;
}

double rope_theta(const JsonObject& config, const JsonObject& settings) {
  return settings.number({"rope_theta"}, config.number({"rope_theta", "rotary_emb_base"}, 10000));
}

std::uint64_t context_length(const Family& family, const JsonObject& config) {
  if (family.position_offset) {  // of its positions the first are never used
    const std::uint64_t positions = config.integer({"max_position_embeddings"}),
                        first = config.integer({"pad_token_id"}, 1) + 1;
    if (positions <= first) config.fail("max_position_embeddings is no larger than the first position");
    return positions - first;
  }
  if (family.architecture == "command-r" && config.has("model_max_length")) return config.integer({"model_max_length"});
  return config.integer(
      {"max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "max_sequence_length", "seq_length"}, 2048);
}

double scaling_factor(const JsonObject& settings, std::uint64_t context, std::uint64_t original) {
  return settings.number({"factor"},
                         static_cast<double>(context) / static_cast<double>(std::max<std::uint64_t>(1, original)));
}

// YaRN makes up for smoother attention. [arXiv 2309.00071, section 3.4]
double magnitude(double factor, double scale) {
  return factor <= 1 ? 1 : 0.1 * scale * std::log(factor) + 1;
}

bool is_untruncated_yarn(const JsonObject& settings) {
  return rope_type(settings) == "yarn" && !settings.boolean("truncate", true);
}

double yarn_attention(const JsonObject& settings, double factor) {
  if (settings.has("attention_factor")) return settings.number({"attention_factor"});
  const double scale = settings.number({"mscale"}, 0), of_all = settings.number({"mscale_all_dim"}, 0);
  return scale != 0 && of_all != 0 ? magnitude(factor, scale) / magnitude(factor, of_all) : magnitude(factor, 1);
}

void add_rope(const Family& family, const JsonObject& config, const Dimensions& dimensions, Keys& keys) {
  const JsonObject settings = rope_settings(config, "full_attention");
  keys.integer("rope.dimension_count", rope_dimensions(family, config, dimensions));
  keys.number("rope.freq_base", rope_theta(config, settings));
  const JsonObject local = rope_settings(config, "sliding_attention");
  if (config.has("rope_local_base_freq") || config.object("rope_parameters").has("sliding_attention"))
    keys.number("rope.freq_base_swa", local.number({"rope_theta"}, config.number({"rope_local_base_freq"}, 10000)));

  const std::string type = rope_type(settings);
  const std::uint64_t context = context_length(family, config);
  const std::uint64_t original = settings.integer({"original_max_position_embeddings"},
                                                  config.integer({"original_max_position_embeddings"}, context));
  if (is_untruncated_yarn(settings)) {  // which no key says: rope_factors() does, and this
    keys.string("rope.scaling.type", "none");
    keys.number("rope.scaling.attn_factor", yarn_attention(settings, scaling_factor(settings, context, original)));
    return;
  }
  if (type == "linear" || type == "yarn") {
    keys.string("rope.scaling.type", type);
    keys.number("rope.scaling.factor",
                type == "linear" ? settings.number({"factor"}) : scaling_factor(settings, context, original));
  }
  if (type == "yarn") {
    keys.integer("rope.scaling.original_context_length", original);
    for (const auto& [from, key] : {std::pair{"extrapolation_factor", "rope.scaling.yarn_ext_factor"},
                                    {"beta_fast", "rope.scaling.yarn_beta_fast"},
                                    {"beta_slow", "rope.scaling.yarn_beta_slow"}})
      if (settings.has(from)) keys.number(key, settings.number({from}));
    const double factor = scaling_factor(settings, context, original);
    const double attention = yarn_attention(settings, factor) / magnitude(factor, 1);
    if (std::fabs(attention - 1) > 1e-7) keys.number("rope.scaling.attn_factor", attention);
  } else if (type == "longrope") {
    const double scale = scaling_factor(settings, context, original);
    const double attention = scale > 1 ? std::sqrt(1 + std::log(scale) / std::log(static_cast<double>(original))) : 1;
    keys.string("rope.scaling.type", type);
    keys.number("rope.scaling.attn_factor", settings.number({"attention_factor"}, attention));
    keys.integer("rope.scaling.original_context_length", original);
  } else if (type != "linear" && type != "llama3" && type != "default" && type != "dynamic") {
    throw Error(Code::unsupported, fmt::format("rotary scaling of type {} is not known", type), config.origin());
  } else if (family.architecture == "phi3" && config.has("original_max_position_embeddings")) {
    keys.integer("rope.scaling.original_context_length", original);
  }
}

// Which layers look at a window of the last positions only; empty: none.
std::vector<bool> sliding_layers(const JsonObject& config, const Dimensions& dimensions) {
  std::vector<bool> sliding(dimensions.layers, true);
  if (!config.has("sliding_window") || !config.boolean("use_sliding_window", true)) return {};
  if (const Json* types = config.find({"layer_types"})) {
    if (!types->is_array() || types->size() != dimensions.layers)
      config.fail("layer_types is no list of one type a layer");
    for (std::size_t i = 0; i < sliding.size(); ++i) {
      const Json& type = (*types)[i];
      if (type != "sliding_attention" && type != "full_attention")
        config.fail(fmt::format("layer_types names {}", type.dump()));
      sliding[i] = type == "sliding_attention";
    }
  } else if (config.find({"sliding_window_pattern", "_sliding_window_pattern"})) {
    const std::uint64_t period = config.integer({"sliding_window_pattern", "_sliding_window_pattern"});
    for (std::size_t i = 0; period != 0 && i < sliding.size(); ++i) sliding[i] = (i + 1) % period != 0;
  } else if (config.boolean("use_sliding_window", false)) {
    const std::uint64_t first = config.integer({"max_window_layers"}, 0);
    for (std::size_t i = 0; i < sliding.size(); ++i) sliding[i] = i >= first;
  }
  return std::find(sliding.begin(), sliding.end(), true) == sliding.end() ? std::vector<bool>{} : sliding;
}

// A period where the pattern has one (all but the last of so many layers slide), else a flag for each layer.
void add_windows(const Family& family, const JsonObject& config, const Dimensions& dimensions, Keys& keys) {
  const std::vector<bool> sliding = sliding_layers(config, dimensions);
  if (sliding.empty()) {
    // Where the key is absent readers guess a window for these.
    if (family.architecture == "phi3") keys.integer("attention.sliding_window", 0);
    if (family.architecture == "gemma2") keys.integer("attention.sliding_window", context_length(family, config));
    return;
  }
  keys.integer("attention.sliding_window", config.integer({"sliding_window"}));
  const auto first_full = static_cast<std::size_t>(std::find(sliding.begin(), sliding.end(), false) - sliding.begin());
  const std::size_t period = first_full == sliding.size() ? 0 : first_full + 1;
  bool periodic = true;
  for (std::size_t i = 0; i < sliding.size(); ++i)
    periodic = periodic && sliding[i] == (period == 0 || (i + 1) % period != 0);
  if (periodic)
    keys.integer("attention.sliding_window_pattern", period);
  else
    keys.booleans("attention.sliding_window_pattern", sliding);
}

void add_attention(const Family& family, const JsonObject& config, const Dimensions& dimensions, Keys& keys) {
  keys.integer("attention.head_count", dimensions.heads);
  keys.integer("attention.head_count_kv", dimensions.heads_kv);
  if (config.has("head_dim")) {
    keys.integer("attention.key_length", dimensions.head);
    keys.integer("attention.value_length", dimensions.head);
  }
  const double epsilon =
      config.number({"rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_epsilon", "norm_eps"},
                    family.layer_norm ? 1e-5 : 1e-6);
  keys.number(family.layer_norm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon", epsilon);
  if (family.encoder) keys.boolean("attention.causal", false);

  add_windows(family, config, dimensions, keys);
  if (config.has("query_pre_attn_scalar")) {
    const double scalar = config.number({"query_pre_attn_scalar"});
    if (!(scalar > 0)) config.fail("query_pre_attn_scalar is not above 0");
    keys.number("attention.scale", 1 / std::sqrt(scalar));
  }
  for (const std::string_view key : {"attn_logit_softcapping", "final_logit_softcapping"})
    if (family.architecture == "gemma3" && key.starts_with("attn"))
      continue;                                                   // in the config, but no program heeds it
    else if (config.has(key) || family.architecture == "gemma2")  // whose readers guess one where the key is absent
      keys.number(key, config.number({key}, 0));
}

// Families that leave rotation out in some layers; said only where it is not every fourth, which readers assume.
void add_rope_pattern(const JsonObject& config, const Dimensions& dimensions, Keys& keys) {
  const Json* layers = config.find({"no_rope_layers"});
  const std::uint64_t interval = config.integer({"no_rope_layer_interval"}, 0);
  if (!layers && interval == 0) return;
  if (layers && (!layers->is_array() || layers->size() != dimensions.layers))
    config.fail("no_rope_layers is no list of one number a layer");
  std::vector<bool> rotated;
  bool usual = true;
  for (std::size_t i = 0; i < dimensions.layers; ++i) {
    rotated.push_back(layers ? (*layers)[i] != 0 : (i + 1) % interval != 0);
    usual = usual && rotated[i] == ((i + 1) % 4 != 0);
  }
  if (!usual) keys.booleans("attention.rope_pattern", rotated);
}

// MPT as MosaicML's own code runs it; transformers' class always has ALiBi, of slopes down from 2^-8.
void add_alibi(const JsonObject& config, Keys& keys) {
  const JsonObject attention = config.object("attn_config");
  const bool fixed = is_class(config, "MptForCausalLM");
  if (!fixed && !attention.boolean("alibi", false))
    throw Error(Code::unsupported, "an MPT model without ALiBi", config.origin());
  keys.number("attention.max_alibi_bias", fixed ? 8 : attention.number({"alibi_bias_max"}, 8));
  if (attention.has("clip_qkv")) keys.number("attention.clamp_kqv", attention.number({"clip_qkv"}));
  if (attention.has("softmax_scale")) keys.number("attention.scale", attention.number({"softmax_scale"}));
}

std::uint64_t key_value_heads(const Family& family, const JsonObject& config, std::uint64_t heads) {
  if (family.architecture == "falcon") {
    const bool grouped = config.boolean("new_decoder_architecture", false);
    if (!grouped) return config.boolean("multi_query", true) ? 1 : heads;
    return config.integer({"num_kv_heads", "n_head_kv"}, heads);
  }
  if (config.has("attn_config")) return config.object("attn_config").integer({"kv_n_heads"}, heads);
  return config.integer({"num_key_value_heads"}, heads);
}

void check_supported(const Family& family, const JsonObject& config) {
  const auto refuse = [&](std::string_view what, std::string_view advice = {}) {
    throw Error(Code::unsupported, what, config.origin(), advice);
  };
  if (config.has("quantization_config"))
    refuse(fmt::format("the checkpoint is quantised ({})",
                       config.object("quantization_config").string("quant_method", "by an unknown method")),
           "import the one it was made from");
  for (const char* key : {"hidden_act", "hidden_activation", "activation_function", "activation"}) {
    const std::string activation = config.string(key, "");
    if (activation.empty()) continue;
    const bool silu = activation == "silu" || activation == "swish" || activation == "swiglu";
    if (silu ? family.activation != "silu" : family.activation != "gelu" || !activation.starts_with("gelu"))
      refuse(
          fmt::format("{} is {}, the family {} runs with {}", key, activation, family.architecture, family.activation));
  }
  if (family.architecture == "falcon" && (config.boolean("alibi", false) || !config.boolean("parallel_attn", true)))
    refuse("a Falcon model with ALiBi or without parallel attention");
  if (config.string("position_embedding_type", "absolute") != "absolute") refuse("relative position embeddings");
  for (const char* key : {"prenorm", "apply_residual_connection_post_layernorm", "use_bidirectional_attention"})
    if (config.boolean(key, false)) refuse(fmt::format("{} is true", key));
  if (config.integer({"decoder_sparse_step"}, 1) != 1) refuse("experts in some layers only (decoder_sparse_step)");
  if (const Json* dense = config.find({"mlp_only_layers"}); dense && !dense->empty())
    refuse("experts in some layers only (mlp_only_layers)");
  if (config.boolean("scale_attn_by_inverse_layer_idx", false)) refuse("attention scaled by the layer's number");
}

}  // namespace

std::uint64_t rope_dimensions(const Family& family, const JsonObject& config, const Dimensions& dimensions) {
  if (config.has("rotary_dim")) {
    const std::uint64_t rotated = config.integer({"rotary_dim"});
    if (rotated > dimensions.head)
      config.fail(fmt::format("rotary_dim is {}, of heads of width {}", rotated, dimensions.head));
    return rotated;
  }
  if (!family.partial_rotary) return dimensions.head;
  const double share =
      rope_settings(config, "full_attention")
          .number({"partial_rotary_factor"},
                  config.number({"partial_rotary_factor", "rotary_pct", "rope_pct", "rotary_emb_fraction"}, 1));
  if (!(share >= 0 && share <= 1)) config.fail(fmt::format("a share of {} of each head is rotated", share));
  return static_cast<std::uint64_t>(share * static_cast<double>(dimensions.head));
}

JsonObject text_config(const Family& family, const JsonObject& config) {
  Json merged = Json::parse(family.defaults);
  const JsonObject text_part = config.object("text_config");
  for (const Json* part : {&config.json(), &text_part.json()})
    for (const auto& entry : part->items()) {
      merged[entry.key()] = entry.value();
      if (entry.value().is_null()) merged.erase(entry.key());
    }
  JsonObject text(std::move(merged), config.origin());
  check_supported(family, text);
  return text;
}

Dimensions dimensions(const Family& family, const JsonObject& config) {
  Dimensions d;
  const auto positive = [&](JsonObject::Keys keys) {
    const std::uint64_t value = config.integer(keys);
    if (value == 0) config.fail(fmt::format("{} is 0", fmt::join(keys, " or ")));
    return value;
  };
  d.width = positive({"hidden_size", "n_embd", "n_embed", "d_model"});
  d.vocabulary = positive({"vocab_size"});
  d.layers = positive({"num_hidden_layers", "n_layer", "n_layers"});
  d.heads = positive({"num_attention_heads", "n_head", "n_heads"});
  if (!config.has("head_dim") && d.width % d.heads != 0)
    config.fail(fmt::format("{} heads do not divide the width {}", d.heads, d.width));
  d.heads_kv = key_value_heads(family, config, d.heads);
  if (d.heads_kv == 0 || d.heads % d.heads_kv != 0)
    config.fail(fmt::format("{} key-value heads do not divide {} heads", d.heads_kv, d.heads));
  d.head = config.integer({"head_dim"}, d.width / d.heads);
  const double ratio = is_class(config, "MPTForCausalLM") ? config.number({"expansion_ratio"}, 4) : 4;
  if (!(ratio > 0 && ratio < 1e4)) config.fail(fmt::format("expansion_ratio is {}", ratio));
  const auto inner = static_cast<std::uint64_t>(ratio * static_cast<double>(d.width));
  d.feed_forward = config.integer({"intermediate_size", "n_inner", "ffn_hidden_size"}, inner);
  d.experts = config.integer({"num_local_experts", "num_experts"}, 0);
  d.expert_feed_forward = config.integer({"moe_intermediate_size"}, d.feed_forward);
  // Far above any model; their products stay far from overflow.
  for (const auto& [size, most] : {std::pair{d.width, 1 << 24},
                                   {d.heads, 1 << 16},
                                   {d.heads_kv, 1 << 16},
                                   {d.head, 1 << 16},
                                   {d.layers, 1 << 16},
                                   {d.vocabulary, 1 << 26},
                                   {d.feed_forward, 1 << 26},
                                   {d.expert_feed_forward, 1 << 26},
                                   {d.experts + 1, 1 << 16}})
    if (size == 0 || size > static_cast<std::uint64_t>(most)) config.fail(fmt::format("a size of {}", size));
  return d;
}

void add_hyperparameters(const Family& family, const JsonObject& config, const Dimensions& dimensions,
                         gguf::Metadata& metadata) {
  metadata.set("general.architecture", {std::string(family.architecture)});
  Keys keys(metadata, family.architecture, config);
  keys.integer("vocab_size", dimensions.vocabulary);
  keys.integer("context_length", context_length(family, config));
  keys.integer("embedding_length", dimensions.width);
  keys.integer("block_count", dimensions.layers);
  keys.integer("feed_forward_length", dimensions.feed_forward);
  if (dimensions.experts != 0) {
    keys.integer("expert_count", dimensions.experts);
    keys.integer("expert_used_count", config.integer({"num_experts_per_tok"}));
    if (config.has("moe_intermediate_size")) keys.integer("expert_feed_forward_length", dimensions.expert_feed_forward);
    if (!config.boolean("norm_topk_prob", true)) keys.boolean("expert_weights_norm", false);
  }
  add_attention(family, config, dimensions, keys);
  const bool rotates = family.architecture != "mpt" && family.architecture != "bloom" &&
                       family.architecture != "gpt2" && family.architecture != "bert";
  if (rotates) add_rope(family, config, dimensions, keys);
  add_rope_pattern(config, dimensions, keys);
  if (family.architecture == "mpt") add_alibi(config, keys);
  if (config.has("use_parallel_residual"))
    keys.boolean("use_parallel_residual", config.boolean("use_parallel_residual", true));
  keys.number_if("logit_scale", family.architecture == "granite" ? "logits_scaling" : "logit_scale");
  keys.number_if("residual_scale", "residual_multiplier");
  keys.number_if("embedding_scale", "embedding_multiplier");
  keys.number_if("attention.scale", "attention_multiplier");
  if (!config.boolean("scale_attn_weights", true)) keys.number("attention.scale", 1);
  if (family.encoder)
    metadata.set("tokenizer.ggml.token_type_count",
                 {static_cast<std::uint32_t>(config.integer({"type_vocab_size"}, 1))});
}

RopeFactors rope_factors(const Family& family, const JsonObject& config, const Dimensions& dimensions) {
  RopeFactors result;
  const JsonObject settings = rope_settings(config, "full_attention");
  const std::string type = rope_type(settings);
  const std::uint64_t half = rope_dimensions(family, config, dimensions) / 2;
  if (type == "llama3") {  // "The Llama 3 herd of models", and its code: low frequencies are stretched, high ones kept
    const double factor = settings.number({"factor"}), low = settings.number({"low_freq_factor"}, 1),
                 high = settings.number({"high_freq_factor"}, 4),
                 original = settings.number({"original_max_position_embeddings"}, 8192);
    const double theta = rope_theta(config, settings);
    if (!(factor >= 1 && low > 0 && high >= low && original > 0 && theta > 0))
      config.fail("the llama3 rotary scaling makes no sense");
    for (std::uint64_t i = 0; i < half; ++i) {
      const double wavelength =
          2 * std::numbers::pi * std::pow(theta, static_cast<double>(i) / static_cast<double>(half));
      const double turns = original / wavelength;
      const double smooth = high > low ? (turns - low) / (high - low) : 1;
      result.all.push_back(static_cast<float>(turns > high  ? 1
                                              : turns < low ? factor
                                                            : 1 / ((1 - smooth) / factor + smooth)));
    }
  } else if (is_untruncated_yarn(settings)) {  // [arXiv 2309.00071, section 3.2]
    const double theta = rope_theta(config, settings), factor = settings.number({"factor"}, 1),
                 original = settings.number({"original_max_position_embeddings"});
    if (!(theta > 1 && factor > 0 && original > 0)) config.fail("the YaRN scaling makes no sense");
    const auto dimension = [&](double turns) {  // that turns so often within the original context
      return static_cast<double>(half) * std::log(original / (turns * 2 * std::numbers::pi)) / std::log(theta);
    };
    const double low = std::max(0.0, dimension(settings.number({"beta_fast"}, 32))),
                 high = std::min(2 * static_cast<double>(half) - 1, dimension(settings.number({"beta_slow"}, 1)));
    for (std::uint64_t i = 0; i < half; ++i) {
      const double ramp = (static_cast<double>(i) - low) / (high == low ? 0.001 : high - low);
      const double stretched = std::clamp(ramp, 0.0, 1.0);
      result.all.push_back(static_cast<float>(1 / (stretched / factor + 1 - stretched)));
    }
  } else if (type == "longrope") {
    const auto list = [&](const char* key) {
      std::vector<float> values;
      const Json* array = settings.find({key});
      if (array && array->is_array())
        for (const Json& value : *array)
          if (value.is_number()) values.push_back(value.get<float>());
      if (values.size() != half) config.fail(fmt::format("{} is no list of {} numbers", key, half));
      return values;
    };
    result.shorter = list("short_factor");
    result.longer = list("long_factor");
  }
  return result;
}

}  // namespace hearth::convert
