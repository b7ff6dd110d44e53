// Tiny models of any family, their weights drawn from their names: the same file everywhere, without being kept.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gguf/writer.h"
#include "model/families.h"

namespace hearth::tests {

struct Tiny {
  gguf::Metadata metadata;
  std::vector<gguf::TensorPlan> tensors;

  void add(std::string name, std::vector<std::uint64_t> shape) {
    tensors.push_back({std::move(name), tensor::Type::f32, std::move(shape)});
  }
  void write(const std::filesystem::path& path) const {
    gguf::write(path, metadata, tensors, [](const gguf::TensorPlan& plan, const gguf::Sink& sink) {
      const std::vector<float> values = values_of(plan);
      sink(std::as_bytes(std::span(values)));
    });
  }
  // As two parts, which it returns.
  std::vector<std::filesystem::path> write_split(const std::filesystem::path& folder) const {
    const std::filesystem::path paths[] = {folder / "split-00001-of-00002.gguf", folder / "split-00002-of-00002.gguf"};
    const auto half = tensors.begin() + std::ptrdiff_t(tensors.size() / 2);
    Tiny parts[] = {{metadata, {tensors.begin(), half}}, {metadata, {half, tensors.end()}}};
    for (std::uint16_t i = 0; i < 2; ++i) {
      parts[i].metadata.set("split.no", {i});
      parts[i].metadata.set("split.count", {std::uint16_t{2}});
      parts[i].write(paths[i]);
    }
    return {paths[0], paths[1]};
  }

  // Norms around 1, divisors above it, matrices that keep the size of what passes through, small biases.
  static std::vector<float> values_of(const gguf::TensorPlan& plan) {
    std::uint64_t state = 0xcbf29ce484222325;
    for (const char c : plan.name) state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    std::size_t count = 1;
    for (const std::uint64_t size : plan.shape) count *= size;
    const bool is_factor = plan.name.starts_with("rope_"), is_bias = plan.name.ends_with(".bias"),
               is_norm = plan.name.find("norm") != std::string::npos;
    const double spread = is_factor ? 1
                          : is_bias ? 0.2
                          : is_norm ? 0.3
                                    : std::sqrt(3.0 / static_cast<double>(plan.shape[0]));
    std::vector<float> values(count);
    for (float& value : values) {  // splitmix64
      std::uint64_t z = state += 0x9e3779b97f4a7c15;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
      z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
      const double uniform = static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
      value = static_cast<float>(is_factor ? 1 + 3 * uniform : (is_norm && !is_bias) + spread * (2 * uniform - 1));
    }
    return values;
  }
};

// `spec`: {"family": NAME, "keys": {KEY below the family's prefix: value}, and options:
//  "bias": "all" | "qkv" | "none", "fused": true (attn_qkv), "tied": true, "norms": 1 | 2, "qk_norm": true,
//  "factors": "all" | "by_context"}
inline Tiny tiny_model(const nlohmann::json& spec) {
  const std::string name = spec.at("family");
  const model::Family& family = model::find_family(name, "a test");
  nlohmann::json keys = {{"vocab_size", 96}, {"context_length", 128},     {"embedding_length", 64},
                         {"block_count", 2}, {"feed_forward_length", 80}, {"attention.head_count", 4}};
  keys[family.norm == model::Norm::rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon"] = 1e-5;
  if (spec.contains("keys")) keys.update(spec["keys"]);

  Tiny tiny;
  tiny.metadata.set("general.architecture", {name});
  tiny.metadata.set("tokenizer.ggml.model", {std::string("no_vocab")});
  for (const auto& [key, value] : keys.items()) {
    const std::string full = name + "." + key;
    if (value.is_boolean())
      tiny.metadata.set(full, {value.get<bool>()});
    else if (value.is_string())
      tiny.metadata.set(full, {value.get<std::string>()});
    else if (value.is_number_integer())
      tiny.metadata.set(full, {value.get<std::uint32_t>()});
    else if (value.is_number())
      tiny.metadata.set(full, {value.get<float>()});
    else
      tiny.metadata.set(full, {gguf::Array(value.get<std::vector<bool>>())});
  }

  const auto size = [&](const char* key, std::uint64_t absent = 0) { return keys.value(key, absent); };
  const std::uint64_t width = size("embedding_length"), heads = size("attention.head_count"),
                      heads_kv = size("attention.head_count_kv", heads),
                      key = size("attention.key_length", width / heads),
                      value = size("attention.value_length", width / heads), inner = size("feed_forward_length"),
                      vocabulary = size("vocab_size"), experts = size("expert_count"),
                      expert_inner = size("expert_feed_forward_length", inner);
  const std::string bias = spec.value("bias", "none");
  std::string prefix;
  const auto norm = [&](std::string_view stem, std::vector<std::uint64_t> shape) {
    tiny.add(fmt::format("{}{}.weight", prefix, stem), shape);
    if (family.norm == model::Norm::layer && spec.value("norm_bias", true) && !stem.starts_with("attn_q") &&
        !stem.starts_with("attn_k"))
      tiny.add(fmt::format("{}{}.bias", prefix, stem), shape);
  };
  const auto linear = [&](std::string_view stem, std::uint64_t outputs, std::uint64_t inputs) {
    tiny.add(fmt::format("{}{}.weight", prefix, stem), {inputs, outputs});
    const bool is_qkv = stem == "attn_q" || stem == "attn_k" || stem == "attn_v" || stem == "attn_qkv";
    if (bias == "all" || (bias == "qkv" && is_qkv)) tiny.add(fmt::format("{}{}.bias", prefix, stem), {outputs});
  };

  tiny.add("token_embd.weight", {width, vocabulary});
  if (family.position == model::Position::learned) tiny.add("position_embd.weight", {width, size("context_length")});
  if (family.embedding_norm) norm("token_embd_norm", {width});
  if (family.mask == model::Mask::both_ways) {
    tiny.add("token_types.weight", {width, 2});
    tiny.metadata.set("tokenizer.ggml.token_type_count", {std::uint32_t{2}});
  }
  if (family.wiring != model::Wiring::post_norm) {
    norm("output_norm", {width});
    if (!spec.value("tied", false)) tiny.add("output.weight", {width, vocabulary});
    if (spec.value("output_bias", false)) tiny.add("output.bias", {vocabulary});
  }
  const std::uint64_t half = size("rope.dimension_count", key) / 2;
  if (spec.value("factors", "") == "all") tiny.add("rope_freqs.weight", {half});
  if (spec.value("factors", "") == "by_context")
    for (const char* which : {"rope_factors_short.weight", "rope_factors_long.weight"}) tiny.add(which, {half});

  for (std::uint64_t i = 0; i < size("block_count"); ++i) {
    prefix = fmt::format("blk.{}.", i);
    if (family.wiring == model::Wiring::post_norm) {
      norm("attn_output_norm", {width});
      norm("layer_output_norm", {width});
    } else if (family.wiring == model::Wiring::branch_norm || family.wiring == model::Wiring::sandwich) {
      norm("post_attention_norm", {width});
      norm("post_ffw_norm", {width});
    }
    if (family.wiring != model::Wiring::post_norm && family.wiring != model::Wiring::branch_norm) {
      norm("attn_norm", {width});
      if (spec.value("norms", family.wiring == model::Wiring::parallel_one ? 1 : 2) == 2)
        norm(family.ffn_norm == "attn_norm" ? family.attention_norm : family.ffn_norm, {width});
    }
    if (spec.value("fused", false)) {
      linear("attn_qkv", heads * key + heads_kv * (key + value), width);
    } else {
      linear("attn_q", heads * key, width);
      linear("attn_k", heads_kv * key, width);
      linear("attn_v", heads_kv * value, width);
    }
    linear("attn_output", width, heads * value);
    if (family.qk_norm != model::QkNorm::none && spec.value("qk_norm", !family.qk_norm_optional))
      for (const auto& [stem, count] : {std::pair{"attn_q_norm", heads}, {"attn_k_norm", heads_kv}})
        switch (family.qk_norm) {
          case model::QkNorm::each_head:
            norm(stem, {key, count});
            break;
          case model::QkNorm::whole:
            norm(stem, {key * count});
            break;
          default:
            norm(stem, {key});
        }
    if (experts != 0) {
      tiny.add(prefix + "ffn_gate_inp.weight", {width, experts});
      tiny.add(prefix + "ffn_gate_exps.weight", {width, expert_inner, experts});
      tiny.add(prefix + "ffn_up_exps.weight", {width, expert_inner, experts});
      tiny.add(prefix + "ffn_down_exps.weight", {expert_inner, width, experts});
      continue;
    }
    if (family.feed_forward == model::FeedForward::gated) linear("ffn_gate", inner, width);
    linear("ffn_up", family.feed_forward == model::FeedForward::gated_fused ? 2 * inner : inner, width);
    linear("ffn_down", width, inner);
  }
  return tiny;
}

}  // namespace hearth::tests
