#include "model/families.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/error.h"

namespace hearth::model {

namespace {

using ops::Activation;

// What is not said is the default: rms, pre_norm, rope_halves, gated silu, causal.
constexpr Family rows[] = {
    // Llama 1 to 3, Mistral, Mixtral, SmolLM and all that share their layout
    {.name = "llama", .position = Position::rope_pairs},
    {.name = "qwen2"},
    {.name = "qwen3", .qk_norm = QkNorm::per_head, .ignorable = {"cls.output"}},  // a re-ranker's head
    {.name = "qwen3moe", .qk_norm = QkNorm::per_head},
    {.name = "gemma", .activation = Activation::gelu_tanh, .embedding_sqrt = true},
    {.name = "gemma2",
     .wiring = Wiring::sandwich,
     .activation = Activation::gelu_tanh,
     .embedding_sqrt = true,
     .window = 4096,
     .window_period = 2,
     .attention_softcap = 50,
     .logit_softcap = 30,
     .width_scaled_layers = 46},
    {.name = "gemma3",
     .wiring = Wiring::sandwich,
     .qk_norm = QkNorm::per_head,
     .activation = Activation::gelu_tanh,
     .embedding_sqrt = true,
     .local_rope = LocalRope::unscaled,
     .window_period = 6,
     .local_rope_base = 10000,
     .width_scaled_layers = 62},
    {.name = "phi2",
     .norm = Norm::layer,
     .wiring = Wiring::parallel_one,
     .qk_norm = QkNorm::per_head,
     .qk_norm_optional = true,
     .feed_forward = FeedForward::plain,
     .activation = Activation::gelu_tanh},
    {.name = "phi3", .feed_forward = FeedForward::gated_fused},
    {.name = "gptj",
     .norm = Norm::layer,
     .wiring = Wiring::parallel_one,
     .position = Position::rope_pairs,
     .feed_forward = FeedForward::plain,
     .activation = Activation::gelu_tanh},
    {.name = "gptneox",
     .norm = Norm::layer,
     .wiring = Wiring::parallel_two,
     .wiring_choice = WiringChoice::parallel_key,
     .feed_forward = FeedForward::plain,
     .activation = Activation::gelu_erf},
    {.name = "gpt2",
     .norm = Norm::layer,
     .position = Position::learned,
     .feed_forward = FeedForward::plain,
     .activation = Activation::gelu_tanh},
    {.name = "mpt",
     .norm = Norm::layer,
     .position = Position::alibi,
     .qk_norm = QkNorm::whole,
     .qk_norm_optional = true,
     .feed_forward = FeedForward::plain,
     .activation = Activation::gelu_erf,
     .ignorable = {"attn_k_norm"}},  // without its query's, not used
    {.name = "falcon",
     .norm = Norm::layer,
     .wiring = Wiring::parallel_two,
     .wiring_choice = WiringChoice::norm_count,
     .feed_forward = FeedForward::plain,
     .activation = Activation::gelu_erf,
     .attention_norm = "attn_norm_2",
     .ffn_norm = "attn_norm"},
    {.name = "bloom",
     .norm = Norm::layer,
     .position = Position::alibi,
     .feed_forward = FeedForward::plain,
     .activation = Activation::gelu_tanh,
     .embedding_norm = true,
     .alibi_bias = 8},
    {.name = "stablelm",
     .norm = Norm::layer,
     .wiring_choice = WiringChoice::norm_count,
     .qk_norm = QkNorm::each_head,
     .qk_norm_optional = true},
    {.name = "starcoder2",
     .norm = Norm::layer,
     .feed_forward = FeedForward::plain,
     .activation = Activation::gelu_tanh},
    {.name = "olmo2",
     .wiring = Wiring::branch_norm,
     .qk_norm = QkNorm::whole,
     .local_rope = LocalRope::unscaled,
     .window_period = 4},
    {.name = "granite", .position = Position::rope_pairs, .logit_scale = LogitScale::divide},
    {.name = "smollm3", .position = Position::rope_pairs, .no_rope_period = 4},
    {.name = "command-r",
     .norm = Norm::layer,
     .wiring = Wiring::parallel_one,
     .position = Position::rope_pairs,
     .qk_norm = QkNorm::each_head,
     .qk_norm_optional = true},
    {.name = "glm4",
     .wiring = Wiring::sandwich,
     .position = Position::rope_pairs,
     .feed_forward = FeedForward::gated_fused},
    {.name = "bert",
     .norm = Norm::layer,
     .wiring = Wiring::post_norm,
     .position = Position::learned,
     .feed_forward = FeedForward::plain,
     .activation = Activation::gelu_erf,
     .mask = Mask::both_ways,
     .embedding_norm = true,
     .ignorable = {"cls", "cls.output"}},
    {.name = "nomic-bert",
     .norm = Norm::layer,
     .wiring = Wiring::post_norm,
     .mask = Mask::both_ways,
     .embedding_norm = true},
};

}  // namespace

std::span<const Family> families() {
  return rows;
}

const Family& find_family(std::string_view name, std::string_view origin) {
  const auto found =
      std::find_if(std::begin(rows), std::end(rows), [&](const Family& row) { return row.name == name; });
  if (found != std::end(rows)) return *found;
  std::string known;
  for (const Family& row : rows) known.append(known.empty() ? "" : ", ").append(row.name);
  throw Error(Code::unsupported, fmt::format("models of the family '{}' are not supported", name.substr(0, 100)),
              origin, "known are " + known);
}

}  // namespace hearth::model
