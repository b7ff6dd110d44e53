#include "model/weights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace hearth::model {

namespace {

using Shape = std::vector<std::uint64_t>;  // GGUF's order: inputs first

class Binder {
 public:
  Binder(const gguf::File& file, const Family& family, const Hyperparameters& hyperparameters, Weights& weights)
      : file_(file), family_(family), h_(hyperparameters), weights_(weights), used_(file.tensors().size()) {}

  void bind() {
    bind_ends();
    bind_rope_factors();
    for (std::size_t i = 0; i < h_.layers; ++i) {
      prefix_ = fmt::format("blk.{}.", i);
      weights_.layers.emplace_back();
      bind_norms(weights_.layers.back());
      bind_attention(weights_.layers.back());
      if (h_.mixture.experts == 0)
        bind_feed_forward(weights_.layers.back());
      else
        bind_experts(weights_.layers.back().experts);
    }
    refuse_unused();
  }

 private:
  enum class Need { must, may };

  void bind_ends();
  void bind_rope_factors();
  void bind_norms(LayerWeights& layer);
  void bind_attention(LayerWeights& layer);
  void bind_feed_forward(LayerWeights& layer);
  void bind_experts(Experts& experts);
  void refuse_unused() const;
  bool is_ignorable(std::string_view name) const;

  const gguf::Tensor* find(const std::string& name, const Shape& shape, Need need);
  const float* vector(const std::string& name, std::size_t size, Need need);
  std::span<const float> numbers(const gguf::Tensor& tensor);
  NormWeight norm(std::string_view stem, std::size_t size, Need need = Need::must);
  Linear linear(std::string_view stem, std::size_t outputs, std::size_t inputs, Need need = Need::must);
  std::vector<Linear> expert_linears(std::string_view part, std::size_t outputs, std::size_t inputs);
  std::uint32_t id_of(const gguf::Tensor& tensor) {
    weights_.names.push_back(tensor.name);
    return static_cast<std::uint32_t>(weights_.names.size() - 1);
  }
  [[noreturn]] void fail(Code code, const std::string& fault) const {
    throw Error(code, fault, file_.metadata().origin());
  }

  const gguf::File& file_;
  const Family& family_;
  const Hyperparameters& h_;
  Weights& weights_;
  std::vector<bool> used_;  // by index in file_.tensors()
  std::string prefix_;      // "blk.7."
};

// Rows of a product that were bound as one tensor.
Linear rows_of(const Linear& whole, std::size_t begin, std::size_t count) {
  return {.weight = whole.weight.slice(begin, count),
          .bias = whole.bias ? whole.bias + begin : nullptr,
          .id = whole.id,
          .first_row = whole.first_row + begin};
}

const gguf::Tensor* Binder::find(const std::string& name, const Shape& shape, Need need) {
  const gguf::Tensor* tensor = file_.find(name);
  if (!tensor) {
    if (need == Need::may) return nullptr;
    fail(Code::not_found, fmt::format("there is no tensor {}", name));
  }
  Shape found = tensor->shape, expected = shape;
  for (Shape* s : {&found, &expected})
    while (s->size() > 1 && s->back() == 1) s->pop_back();
  if (found != expected)
    fail(Code::bad_input, fmt::format("tensor {} has the shape [{}], the metadata ask for [{}]", name,
                                      fmt::join(tensor->shape, ", "), fmt::join(shape, ", ")));
  if (tensor->type == tensor::Type::i32)
    fail(Code::bad_input,
         fmt::format("tensor {} has the type {}, which holds no weights", name, tensor::info(tensor->type).name));
  used_[static_cast<std::size_t>(tensor - file_.tensors().data())] = true;
  return tensor;
}

std::span<const float> Binder::numbers(const gguf::Tensor& tensor) {
  const auto count = static_cast<std::size_t>(tensor.elements());
  if (tensor.type == tensor::Type::f32) return {reinterpret_cast<const float*>(tensor.data.data()), count};
  std::vector<float>& copy = weights_.converted.emplace_back(count);
  tensor::info(tensor.type).decode(tensor.data.data(), copy.data(), count);
  return copy;
}

const float* Binder::vector(const std::string& name, std::size_t size, Need need) {
  const gguf::Tensor* tensor = find(name, {size}, need);
  return tensor ? numbers(*tensor).data() : nullptr;
}

NormWeight Binder::norm(std::string_view stem, std::size_t size, Need need) {
  const std::string name = prefix_ + std::string(stem);
  NormWeight result{.weight = vector(name + ".weight", size, need)};
  if (result && family_.norm == Norm::layer) result.bias = vector(name + ".bias", size, Need::may);
  return result;
}

Linear Binder::linear(std::string_view stem, std::size_t outputs, std::size_t inputs, Need need) {
  const std::string name = prefix_ + std::string(stem);
  const gguf::Tensor* tensor = find(name + ".weight", {inputs, outputs}, need);
  if (!tensor) return {};
  return {.weight = tensor->matrix(), .bias = vector(name + ".bias", outputs, Need::may), .id = id_of(*tensor)};
}

void Binder::bind_ends() {
  const gguf::Tensor* embedding = find("token_embd.weight", {h_.width, h_.vocabulary}, Need::must);
  weights_.token_embedding = embedding->matrix();
  if (const gguf::Tensor* positions = file_.find("position_embd.weight");
      positions || family_.position == Position::learned) {
    const std::uint64_t rows = positions && positions->shape.size() > 1 ? positions->shape[1] : h_.context_length;
    weights_.position_embedding = find("position_embd.weight", {h_.width, rows}, Need::must)->matrix();
  }
  if (const gguf::Tensor* types = file_.find("token_types.weight")) {
    const std::uint64_t rows = types->shape.size() > 1 ? types->shape[1] : 1;
    weights_.token_type = numbers(*find("token_types.weight", {h_.width, rows}, Need::must)).data();
  }
  if (family_.embedding_norm) weights_.embedding_norm = norm("token_embd_norm", h_.width);
  if (family_.wiring != Wiring::post_norm) weights_.output_norm = norm("output_norm", h_.width);
  if (family_.mask == Mask::both_ways) return;
  weights_.output = linear("output", h_.vocabulary, h_.width, Need::may);
  if (!weights_.output)
    weights_.output = {.weight = weights_.token_embedding,
                       .bias = vector("output.bias", h_.vocabulary, Need::may),
                       .id = id_of(*embedding)};
}

void Binder::bind_rope_factors() {
  const std::size_t half = h_.rotary.dimensions / 2;
  if (half == 0) return;
  const auto factors = [&](const std::string& name) -> std::span<const float> {
    const float* values = vector(name, half, Need::may);
    for (std::size_t i = 0; values && i < half; ++i)
      if (!std::isfinite(1 / values[i])) fail(Code::bad_input, fmt::format("tensor {} holds {}", name, values[i]));
    return {values, values ? half : 0};
  };
  weights_.rope_factors = factors("rope_freqs.weight");
  weights_.rope_factors_short = factors("rope_factors_short.weight");
  weights_.rope_factors_long = factors("rope_factors_long.weight");
  if (weights_.rope_factors_short.empty() != weights_.rope_factors_long.empty())
    fail(Code::not_found, "there is only one of rope_factors_short.weight and rope_factors_long.weight");
}

void Binder::bind_norms(LayerWeights& layer) {
  switch (h_.wiring) {
    case Wiring::sandwich:
      layer.attention_branch_norm = norm("post_attention_norm", h_.width);
      layer.ffn_branch_norm = norm("post_ffw_norm", h_.width);
      [[fallthrough]];
    case Wiring::pre_norm:
    case Wiring::parallel_two:
      layer.attention_norm = norm(family_.attention_norm, h_.width);
      layer.ffn_norm = norm(family_.ffn_norm, h_.width);
      break;
    case Wiring::parallel_one:
      layer.attention_norm = norm("attn_norm", h_.width);
      break;
    case Wiring::branch_norm:
      layer.attention_branch_norm = norm("post_attention_norm", h_.width);
      layer.ffn_branch_norm = norm("post_ffw_norm", h_.width);
      break;
    case Wiring::post_norm:
      layer.attention_residual_norm = norm("attn_output_norm", h_.width);
      layer.ffn_residual_norm = norm("layer_output_norm", h_.width);
      break;
  }
}

void Binder::bind_attention(LayerWeights& layer) {
  const std::size_t queries = h_.heads * h_.key_width, keys = h_.heads_kv * h_.key_width,
                    values = h_.heads_kv * h_.value_width;
  if (const Linear fused = linear("attn_qkv", queries + keys + values, h_.width, Need::may)) {
    layer.query = rows_of(fused, 0, queries);
    layer.key = rows_of(fused, queries, keys);
    layer.value = rows_of(fused, queries + keys, values);
  } else {
    layer.query = linear("attn_q", queries, h_.width);
    layer.key = linear("attn_k", keys, h_.width);
    layer.value = linear("attn_v", values, h_.width);
  }
  layer.output = linear("attn_output", h_.width, h_.heads * h_.value_width);

  const auto each_head = [&](std::string_view stem, std::size_t heads) {
    return NormWeight{
        .weight = numbers(*find(fmt::format("{}{}.weight", prefix_, stem), {h_.key_width, heads}, Need::must)).data()};
  };
  switch (h_.qk_norm) {
    case QkNorm::none:
      break;
    case QkNorm::per_head:
      layer.query_norm = norm("attn_q_norm", h_.key_width);
      layer.key_norm = norm("attn_k_norm", h_.key_width);
      break;
    case QkNorm::each_head:
      layer.query_norm = each_head("attn_q_norm", h_.heads);
      layer.key_norm = each_head("attn_k_norm", h_.heads_kv);
      break;
    case QkNorm::whole:
      layer.query_norm = norm("attn_q_norm", queries);
      layer.key_norm = norm("attn_k_norm", keys);
      break;
  }
}

void Binder::bind_feed_forward(LayerWeights& layer) {
  const std::size_t inner = h_.feed_forward;
  if (family_.feed_forward == FeedForward::gated_fused) {
    const Linear fused = linear("ffn_up", 2 * inner, h_.width);
    layer.gate = rows_of(fused, 0, inner);
    layer.up = rows_of(fused, inner, inner);
  } else {
    if (family_.feed_forward == FeedForward::gated) layer.gate = linear("ffn_gate", inner, h_.width);
    layer.up = linear("ffn_up", inner, h_.width);
  }
  layer.down = linear("ffn_down", h_.width, inner);
  if (family_.feed_forward == FeedForward::plain)
    layer.activation_scale = vector(prefix_ + "ffn.act.scales", inner, Need::may);
}

// All experts in one tensor of three dimensions, or, in files from before 2024, each in a tensor of its own.
std::vector<Linear> Binder::expert_linears(std::string_view part, std::size_t outputs, std::size_t inputs) {
  std::vector<Linear> experts;
  const std::size_t count = h_.mixture.experts;
  const std::string stacked = fmt::format("{}ffn_{}_exps.weight", prefix_, part);
  if (!file_.find(stacked) && file_.find(fmt::format("{}ffn_{}.0.weight", prefix_, part))) {
    for (std::size_t i = 0; i < count; ++i)
      experts.push_back(linear(fmt::format("ffn_{}.{}", part, i), outputs, inputs));
    return experts;
  }
  const gguf::Tensor* tensor = find(stacked, {inputs, outputs, count}, Need::must);
  const std::uint32_t id = id_of(*tensor);
  const tensor::Matrix all = tensor->matrix();
  for (std::size_t i = 0; i < count; ++i)
    experts.push_back({.weight = all.slice(i * outputs, outputs), .id = id, .first_row = i * outputs});
  return experts;
}

void Binder::bind_experts(Experts& experts) {
  if (family_.feed_forward != FeedForward::gated)
    throw Error(Code::unsupported, fmt::format("{} models with experts", family_.name), file_.metadata().origin());
  experts.router = linear("ffn_gate_inp", h_.mixture.experts, h_.width);
  experts.gate = expert_linears("gate", h_.mixture.feed_forward, h_.width);
  experts.up = expert_linears("up", h_.mixture.feed_forward, h_.width);
  experts.down = expert_linears("down", h_.width, h_.mixture.feed_forward);
}

bool Binder::is_ignorable(std::string_view name) const {
  if (name.starts_with("blk.")) name.remove_prefix(std::min(name.size(), name.find('.', 4) + 1));
  // Tables that some converters wrote and every program computes.
  for (const std::string_view known : {"rope_freqs.weight", "attn_rot_embd.weight", "attn_rot_embd"})
    if (name == known) return true;
  return std::any_of(family_.ignorable.begin(), family_.ignorable.end(), [&](std::string_view stem) {
    return !stem.empty() && name.starts_with(stem) &&
           (name.substr(stem.size()) == ".weight" || name.substr(stem.size()) == ".bias");
  });
}

void Binder::refuse_unused() const {
  for (std::size_t i = 0; i < used_.size(); ++i)
    if (!used_[i] && !is_ignorable(file_.tensors()[i].name))
      fail(Code::bad_input, fmt::format("tensor {} has no place in a model of the family {} with {} layers",
                                        file_.tensors()[i].name, family_.name, h_.layers));
}

}  // namespace

Weights bind_weights(const gguf::File& file, const Family& family, const Hyperparameters& hyperparameters) {
  Weights weights;
  Binder(file, family, hyperparameters, weights).bind();
  return weights;
}

}  // namespace hearth::model
