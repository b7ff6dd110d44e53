#include "model/hyperparameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace hearth::model {

namespace {

// The keys below ARCHITECTURE., checked against ranges.
class Keys {
 public:
  Keys(const gguf::Metadata& metadata, std::string_view architecture)
      : metadata_(metadata), prefix_(std::string(architecture) + ".") {}

  std::string name(std::string_view key) const { return prefix_ + std::string(key); }
  bool has(std::string_view key) const { return metadata_.has(name(key)); }
  bool boolean(std::string_view key, bool absent) const { return metadata_.boolean(name(key), absent); }
  std::string string(std::string_view key, std::string_view absent) const {
    return metadata_.string(name(key), absent);
  }
  std::vector<std::int64_t> integers(std::string_view key) const { return metadata_.integers(name(key)); }
  bool is_array(std::string_view key) const {
    const gguf::Value* value = metadata_.find(name(key));
    return value && std::holds_alternative<gguf::Array>(value->data);
  }

  // A number, or one for each layer that must all be the same.
  std::size_t integer(std::string_view key, std::size_t least, std::size_t most,
                      std::optional<std::size_t> absent = {}) const {
    if (absent && !has(key)) return *absent;
    if (!is_array(key)) return in_range(key, metadata_.integer(name(key)), least, most);
    const std::vector<std::int64_t> values = integers(key);
    if (values.empty()) fail(key, "is an empty list");
    if (std::adjacent_find(values.begin(), values.end(), std::not_equal_to<>()) != values.end())
      refuse(key, "differs from layer to layer");
    return in_range(key, values[0] < 0 ? most + 1 : static_cast<std::uint64_t>(values[0]), least, most);
  }

  float number(std::string_view key, double least, double most, std::optional<float> absent = {}) const {
    if (absent && !has(key)) return *absent;
    const double value = metadata_.number(name(key));
    if (!(value >= least && value <= most))
      fail(key, fmt::format("is {}, and must lie between {} and {}", value, least, most));
    return static_cast<float>(value);
  }

  [[noreturn]] void fail(std::string_view key, std::string_view fault) const {
    throw Error(Code::bad_input, fmt::format("{} {}", name(key), fault), metadata_.origin());
  }
  [[noreturn]] void refuse(std::string_view key, std::string_view fault, std::string_view advice = {}) const {
    throw Error(Code::unsupported, fmt::format("{} {}", name(key), fault), metadata_.origin(), advice);
  }

 private:
  std::size_t in_range(std::string_view key, std::uint64_t value, std::size_t least, std::size_t most) const {
    if (value < least || value > most)
      fail(key, fmt::format("is {}, and must lie between {} and {}", value, least, most));
    return static_cast<std::size_t>(value);
  }

  const gguf::Metadata& metadata_;
  std::string prefix_;
};

// Far above any model, and low enough that products of a few of them fit.
constexpr std::size_t most_layers = 1024, most_heads = 4096, most_width = 1 << 18, most_feed_forward = 1 << 22,
                      most_context = 1 << 28, most_head_width = 4096, most_rotated = 1024, most_experts = 4096;
constexpr double most_scale = 1e6;

// One flag a layer: from the file's list, or from its or the family's period (of `period` layers the last is false).
std::vector<bool> pattern(const Keys& keys, std::string_view key, std::size_t layers, std::size_t period) {
  std::vector<bool> flags(layers, true);
  if (keys.is_array(key)) {
    const std::vector<std::int64_t> values = keys.integers(key);
    if (values.size() != layers)
      keys.fail(key, fmt::format("has {} entries, and the model {} layers", values.size(), layers));
    for (std::size_t i = 0; i < layers; ++i) flags[i] = values[i] != 0;
    return flags;
  }
  period = keys.integer(key, 0, most_layers, period);
  for (std::size_t i = 0; i < layers && period != 0; ++i) flags[i] = (i + 1) % period != 0;
  return flags;
}

void read_wiring(const gguf::File& file, const Family& family, const Keys& keys, Hyperparameters& h) {
  const auto has = [&](std::string_view stem) { return file.find(fmt::format("blk.0.{}.weight", stem)) != nullptr; };
  h.wiring = family.wiring;
  if (family.wiring_choice == WiringChoice::parallel_key && !keys.boolean("use_parallel_residual", true))
    h.wiring = Wiring::pre_norm;
  if (family.wiring_choice == WiringChoice::norm_count && has(family.attention_norm) != has(family.ffn_norm))
    h.wiring = Wiring::parallel_one;
  h.qk_norm = family.qk_norm_optional && !has("attn_q_norm") ? QkNorm::none : family.qk_norm;
}

void read_attention(const Family& family, const Keys& keys, Hyperparameters& h) {
  h.heads = keys.integer("attention.head_count", 1, most_heads);
  h.heads_kv = keys.integer("attention.head_count_kv", 1, most_heads, h.heads);
  if (h.heads % h.heads_kv != 0)
    keys.fail("attention.head_count_kv", fmt::format("is {}, which does not divide the {} heads", h.heads_kv, h.heads));
  const auto head_width = [&](std::string_view key) {
    if (!keys.has(key) && h.width % h.heads != 0)
      keys.fail("attention.head_count", fmt::format("is {}, which does not divide the width {}", h.heads, h.width));
    return keys.integer(key, 1, most_head_width, h.width / h.heads);
  };
  h.key_width = head_width("attention.key_length");
  h.value_width = head_width("attention.value_length");
  h.causal = keys.boolean("attention.causal", family.mask == Mask::causal);
  if (h.causal != (family.mask == Mask::causal)) keys.refuse("attention.causal", fmt::format("is {}", h.causal));

  const double divisor = family.width_scaled_layers == h.layers
                             ? static_cast<double>(h.width) / static_cast<double>(h.heads)
                             : static_cast<double>(h.key_width);
  h.attention_scale = static_cast<float>(1 / std::sqrt(divisor));
  if (const float scale = keys.number("attention.scale", 0, most_scale, 0.0f); scale != 0) h.attention_scale = scale;
  h.attention_softcap = keys.number("attn_logit_softcapping", 0, most_scale, family.attention_softcap);
  h.alibi_bias = keys.number("attention.max_alibi_bias", 0, most_scale, family.alibi_bias);
  h.qkv_clamp = keys.number("attention.clamp_kqv", 0, most_scale, 0.0f);

  h.window = keys.integer("attention.sliding_window", 0, most_context, family.window);
  h.sliding = h.window == 0 ? std::vector<bool>(h.layers, false)
                            : pattern(keys, "attention.sliding_window_pattern", h.layers, family.window_period);
}

void read_rotary(const Family& family, const Keys& keys, const RopeOverride& wanted, Hyperparameters& h) {
  Rotary& r = h.rotary;
  h.rotated.assign(h.layers, false);
  if (family.position != Position::rope_halves && family.position != Position::rope_pairs) return;
  h.rotated = pattern(keys, "attention.rope_pattern", h.layers, family.no_rope_period);
  r.dimensions = keys.integer("rope.dimension_count", 0, h.key_width, h.key_width);
  if (r.dimensions % 2 != 0 || r.dimensions > most_rotated)
    keys.fail("rope.dimension_count",
              fmt::format("is {}: even numbers up to {} can be rotated", r.dimensions, most_rotated));
  r.base = keys.number("rope.freq_base", 1e-3, 1e12, 10000.0f);
  r.local_base =
      keys.number("rope.freq_base_swa", 1e-3, 1e12, family.local_rope_base != 0 ? family.local_rope_base : r.base);
  r.original_context = keys.integer("rope.scaling.original_context_length", 1, most_context, h.context_length);
  r.extension_factor = keys.number("rope.scaling.yarn_ext_factor", -1, most_scale, -1.0f);
  if (r.extension_factor < 0) r.extension_factor = 1;  // negative: not set
  r.beta_fast = keys.number("rope.scaling.yarn_beta_fast", 1e-3, most_scale, 32.0f);
  r.beta_slow = keys.number("rope.scaling.yarn_beta_slow", 1e-3, most_scale, 1.0f);
  r.attention_factor = keys.number("rope.scaling.attn_factor", 1e-3, most_scale, 1.0f);

  const float old_factor = keys.number("rope.scale_linear", 0, most_scale, 0.0f);
  r.factor = keys.number("rope.scaling.factor", 0, most_scale, old_factor);
  const std::string type = keys.string("rope.scaling.type", "linear");
  if (type == "yarn")
    r.scaling = ops::RopeScaling::yarn;
  else if (type == "linear")
    r.scaling = r.factor == 0 ? ops::RopeScaling::none : ops::RopeScaling::linear;
  else if (type != "none" && type != "longrope")
    keys.refuse("rope.scaling.type", fmt::format("is '{}'", type), "known are none, linear, yarn and longrope");

  if (wanted.frequency_base) r.base = *wanted.frequency_base;
  if (wanted.original_context) r.original_context = static_cast<std::size_t>(*wanted.original_context);
  if (wanted.scaling) r.scaling = *wanted.scaling;
  if (wanted.factor) {
    r.factor = *wanted.factor;
    if (r.scaling == ops::RopeScaling::none && !wanted.scaling) r.scaling = ops::RopeScaling::linear;
  }
  if (r.factor == 0 || r.scaling == ops::RopeScaling::none) r.factor = 1;
  if (!(r.base > 0 && r.factor > 0 && r.original_context > 0))
    throw Error(Code::usage, "rotary scaling needs a base, a factor and an original context above 0");
  if (wanted.factor && r.factor > 1)
    h.context_length =
        std::min(most_context, static_cast<std::size_t>(static_cast<double>(r.original_context) * r.factor));
}

void read_mixture(const Keys& keys, Hyperparameters& h) {
  Mixture& m = h.mixture;
  m.experts = keys.integer("expert_count", 0, most_experts, 0);
  if (m.experts == 0) return;
  m.used = keys.integer("expert_used_count", 1, m.experts);
  m.feed_forward = keys.integer("expert_feed_forward_length", 0, most_feed_forward, h.feed_forward);
  if (m.feed_forward == 0) m.feed_forward = h.feed_forward;
  m.normalised = keys.boolean("expert_weights_norm", true);
  m.scale = keys.number("expert_weights_scale", 0, most_scale, 0.0f);
  if (m.scale == 0) m.scale = 1;
  if (keys.integer("expert_gating_func", 0, 16, 1) > 1) keys.refuse("expert_gating_func", "is not softmax");
}

// As many tokens as the file's tokenizer has; else what the file says; else whatever the embedding holds.
std::size_t read_vocabulary(const gguf::File& file, const Keys& keys) {
  const gguf::Tensor* embedding = file.find("token_embd.weight");
  if (!embedding || embedding->shape.size() < 2)
    throw Error(Code::not_found, "there is no tensor token_embd.weight", file.metadata().origin(),
                "the file holds no language model");
  constexpr std::size_t most_tokens = 1 << 26;
  const std::uint64_t rows = embedding->shape[1];
  if (rows > most_tokens)
    throw Error(Code::bad_input, fmt::format("token_embd.weight has {} rows", rows), file.metadata().origin());
  const std::size_t said = file.metadata().has("tokenizer.ggml.tokens")
                               ? file.metadata().strings("tokenizer.ggml.tokens").size()
                               : keys.integer("vocab_size", 1, most_tokens, static_cast<std::size_t>(rows));
  if (said != rows)
    throw Error(Code::bad_input, fmt::format("token_embd.weight has {} rows, and the vocabulary {} tokens", rows, said),
                file.metadata().origin());
  return said;
}

}  // namespace

Hyperparameters read_hyperparameters(const gguf::File& file, const Family& family, const RopeOverride& rope) {
  const Keys keys(file.metadata(), family.name);
  Hyperparameters h;
  h.context_length = keys.integer("context_length", 1, most_context);
  h.width = keys.integer("embedding_length", 1, most_width);
  h.layers = keys.integer("block_count", 1, most_layers);
  h.vocabulary = read_vocabulary(file, keys);
  h.norm_epsilon =
      keys.number(family.norm == Norm::rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon", 0, 1);
  h.feed_forward = keys.integer("feed_forward_length", 1, most_feed_forward);
  read_mixture(keys, h);
  read_wiring(file, family, keys, h);
  read_attention(family, keys, h);
  read_rotary(family, keys, rope, h);

  h.logit_softcap = keys.number("final_logit_softcapping", 0, most_scale, family.logit_softcap);
  h.embedding_scale = family.embedding_sqrt ? std::sqrt(static_cast<float>(h.width)) : 1;
  const auto scale = [&](std::string_view key, float absent) {
    const float value = keys.number(key, -most_scale, most_scale, 0.0f);
    return value == 0 ? absent : value;
  };
  h.embedding_scale = scale("embedding_scale", h.embedding_scale);
  h.residual_scale = scale("residual_scale", 1);
  h.logit_scale = scale("logit_scale", 1);
  if (family.logit_scale == LogitScale::divide) h.logit_scale = 1 / h.logit_scale;
  return h;
}

}  // namespace hearth::model
