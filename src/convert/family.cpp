#include "convert/family.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/error.h"

namespace hearth::convert {

namespace {

constexpr Family rows[] = {
    {.architecture = "llama",
     .checkpoints = {"LlamaForCausalLM", "LLaMAForCausalLM", "MistralForCausalLM", "MixtralForCausalLM"},
     .rope_pairs = true},
    {.architecture = "qwen2", .checkpoints = {"Qwen2ForCausalLM"}, .defaults = R"({"use_sliding_window": false})"},
    {.architecture = "qwen3",
     .checkpoints = {"Qwen3ForCausalLM"},
     .defaults = R"({"use_sliding_window": false, "head_dim": 128})"},
    {.architecture = "qwen3moe",
     .checkpoints = {"Qwen3MoeForCausalLM"},
     .defaults = R"({"use_sliding_window": false, "norm_topk_prob": false, "moe_intermediate_size": 768})"},
    {.architecture = "gemma", .checkpoints = {"GemmaForCausalLM"}, .norm_plus_one = true, .activation = "gelu"},
    {.architecture = "gemma2",
     .checkpoints = {"Gemma2ForCausalLM"},
     .norm_plus_one = true,
     .post_norms = true,
     .activation = "gelu",
     .defaults = R"({"head_dim": 256, "query_pre_attn_scalar": 256, "attn_logit_softcapping": 50.0,
                     "final_logit_softcapping": 30.0, "sliding_window": 4096, "_sliding_window_pattern": 2})"},
    {.architecture = "gemma3",
     .checkpoints = {"Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"},
     .norm_plus_one = true,
     .post_norms = true,
     .activation = "gelu",
     .defaults = R"({"num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "vocab_size": 262208,
                     "max_position_embeddings": 131072, "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0,
                     "sliding_window": 4096, "_sliding_window_pattern": 6})"},
    {.architecture = "phi2",
     .checkpoints = {"PhiForCausalLM"},
     .partial_rotary = true,
     .layer_norm = true,
     .activation = "gelu",
     .defaults = R"({"partial_rotary_factor": 0.5})"},
    {.architecture = "phi3", .checkpoints = {"Phi3ForCausalLM"}, .partial_rotary = true},
    {.architecture = "gptj", .checkpoints = {"GPTJForCausalLM"}, .layer_norm = true, .activation = "gelu"},
    {.architecture = "gptneox",
     .checkpoints = {"GPTNeoXForCausalLM"},
     .partial_rotary = true,
     .layer_norm = true,
     .fused_qkv = FusedQkv::by_group,
     .activation = "gelu",
     .defaults = R"({"rotary_pct": 0.25, "use_parallel_residual": true})"},
    {.architecture = "gpt2",
     .checkpoints = {"GPT2LMHeadModel"},
     .layer_norm = true,
     .transposed = true,
     .activation = "gelu"},
    {.architecture = "mpt",
     .checkpoints = {"MptForCausalLM", "MPTForCausalLM"},
     .layer_norm = true,
     .activation = "gelu",
     .defaults = R"({"expansion_ratio": 4})"},
    {.architecture = "falcon",
     .checkpoints = {"FalconForCausalLM", "RWForCausalLM"},
     .layer_norm = true,
     .fused_qkv = FusedQkv::by_group,
     .activation = "gelu",
     .defaults = R"({"max_position_embeddings": 2048})"},
    {.architecture = "bloom",
     .checkpoints = {"BloomForCausalLM"},
     .layer_norm = true,
     .fused_qkv = FusedQkv::by_group,
     .activation = "gelu",
     .defaults = R"({"seq_length": 2048})"},
    {.architecture = "stablelm",
     .checkpoints = {"StableLmForCausalLM", "StableLMEpochForCausalLM"},
     .partial_rotary = true,
     .layer_norm = true,
     .defaults = R"({"partial_rotary_factor": 0.25})"},
    {.architecture = "starcoder2", .checkpoints = {"Starcoder2ForCausalLM"}, .layer_norm = true, .activation = "gelu"},
    {.architecture = "olmo2", .checkpoints = {"Olmo2ForCausalLM", "Olmo3ForCausalLM"}, .post_norms = true},
    {.architecture = "granite", .checkpoints = {"GraniteForCausalLM"}, .rope_pairs = true},
    {.architecture = "smollm3",
     .checkpoints = {"SmolLM3ForCausalLM"},
     .rope_pairs = true,
     .defaults = R"({"no_rope_layer_interval": 4, "use_sliding_window": false, "rope_theta": 2000000.0})"},
    {.architecture = "command-r",
     .checkpoints = {"CohereForCausalLM"},
     .layer_norm = true,
     .defaults = R"({"logit_scale": 0.0625, "rope_theta": 500000.0})"},
    {.architecture = "glm4",
     .checkpoints = {"Glm4ForCausalLM"},
     .partial_rotary = true,
     .defaults = R"({"head_dim": 128, "partial_rotary_factor": 0.5})"},
    {.architecture = "bert",
     .checkpoints = {"BertModel", "BertForMaskedLM"},
     .layer_norm = true,
     .encoder = true,
     .activation = "gelu"},
    {.architecture = "bert",
     .checkpoints = {"RobertaModel", "XLMRobertaModel", "RobertaForMaskedLM", "XLMRobertaForMaskedLM"},
     .layer_norm = true,
     .encoder = true,
     .position_offset = true,
     .activation = "gelu"},
    {.architecture = "bert",
     .checkpoints = {"CamembertModel", "CamembertForMaskedLM"},
     .layer_norm = true,
     .encoder = true,
     .position_offset = true,
     .activation = "gelu"},
    {.architecture = "nomic-bert",
     .checkpoints = {"NomicBertModel"},
     .partial_rotary = true,
     .layer_norm = true,
     .encoder = true},
};

struct Name {
  std::string_view stem;    // the checkpoint's, without .weight or .bias
  std::string_view target;  // GGUF's
  std::string_view shape;
};

constexpr Name model_names[] = {
    {"embed_tokens", "token_embd", "ve"},
    {"wte", "token_embd", "ve"},
    {"word_embeddings", "token_embd", "ve"},
    {"embed_in", "token_embd", "ve"},
    {"embeddings.word_embeddings", "token_embd", "ve"},
    {"wpe", "position_embd", "?e"},
    {"embeddings.position_embeddings", "position_embd", "?e"},
    {"embeddings.token_type_embeddings", "token_types", "?e"},
    {"embeddings.LayerNorm", "token_embd_norm", "e"},
    {"emb_ln", "token_embd_norm", "e"},
    {"word_embeddings_layernorm", "token_embd_norm", "e"},
    {"norm", "output_norm", "e"},
    {"ln_f", "output_norm", "e"},
    {"norm_f", "output_norm", "e"},
    {"final_layernorm", "output_norm", "e"},
    {"final_layer_norm", "output_norm", "e"},
    {"lm_head", "output", "ve"},
    {"embed_out", "output", "ve"},
};

constexpr Name block_names[] = {
    {"self_attn.q_proj", "attn_q", "qe"},
    {"self_attn.k_proj", "attn_k", "ke"},
    {"self_attn.v_proj", "attn_v", "ke"},
    {"self_attn.o_proj", "attn_output", "eq"},
    {"self_attn.dense", "attn_output", "eq"},
    {"self_attn.qkv_proj", "attn_qkv", "se"},
    {"self_attn.q_norm", "attn_q_norm", "?"},
    {"self_attn.k_norm", "attn_k_norm", "?"},
    {"self_attn.q_layernorm", "attn_q_norm", "h"},
    {"self_attn.k_layernorm", "attn_k_norm", "h"},
    {"attn.q_proj", "attn_q", "qe"},
    {"attn.k_proj", "attn_k", "ke"},
    {"attn.v_proj", "attn_v", "ke"},
    {"attn.out_proj", "attn_output", "eq"},
    {"attn.Wqkv", "attn_qkv", "se"},
    {"attn.c_attn", "attn_qkv", "se"},
    {"attn.c_proj", "attn_output", "eq"},
    {"attn.q_ln", "attn_q_norm", "q"},
    {"attn.k_ln", "attn_k_norm", "k"},
    {"self_attention.query_key_value", "attn_qkv", "se"},
    {"self_attention.dense", "attn_output", "eq"},
    {"attention.query_key_value", "attn_qkv", "se"},
    {"attention.dense", "attn_output", "eq"},
    {"attention.self.query", "attn_q", "qe"},
    {"attention.self.key", "attn_k", "ke"},
    {"attention.self.value", "attn_v", "ke"},
    {"attention.output.dense", "attn_output", "eq"},
    {"attention.output.LayerNorm", "attn_output_norm", "e"},
    {"input_layernorm", "attn_norm", "e"},
    {"ln_1", "attn_norm", "e"},
    {"norm_1", "attn_norm", "e"},
    {"ln_attn", "attn_norm_2", "e"},
    {"ln_mlp", "attn_norm", "e"},
    {"norm1", "attn_output_norm", "e"},
    {"norm2", "layer_output_norm", "e"},
    {"output.LayerNorm", "layer_output_norm", "e"},
    {"post_attention_layernorm", "ffn_norm", "e"},
    {"post_self_attn_layernorm", "post_attention_norm", "e"},
    {"pre_feedforward_layernorm", "ffn_norm", "e"},
    {"post_feedforward_layernorm", "post_ffw_norm", "e"},
    {"post_mlp_layernorm", "post_ffw_norm", "e"},
    {"ln_2", "ffn_norm", "e"},
    {"norm_2", "ffn_norm", "e"},
    {"mlp.gate_proj", "ffn_gate", "fe"},
    {"mlp.up_proj", "ffn_up", "fe"},
    {"mlp.down_proj", "ffn_down", "ef"},
    {"mlp.gate_up_proj", "ffn_up", "ge"},
    {"mlp.fc1", "ffn_up", "fe"},
    {"mlp.fc_in", "ffn_up", "fe"},
    {"mlp.c_fc", "ffn_up", "fe"},
    {"mlp.dense_h_to_4h", "ffn_up", "fe"},
    {"ffn.up_proj", "ffn_up", "fe"},
    {"intermediate.dense", "ffn_up", "fe"},
    {"mlp.fc11", "ffn_up", "fe"},
    {"mlp.fc12", "ffn_gate", "fe"},
    {"mlp.fc2", "ffn_down", "ef"},
    {"mlp.fc_out", "ffn_down", "ef"},
    {"mlp.c_proj", "ffn_down", "ef"},
    {"mlp.dense_4h_to_h", "ffn_down", "ef"},
    {"ffn.down_proj", "ffn_down", "ef"},
    {"output.dense", "ffn_down", "ef"},
    {"mlp.gate", "ffn_gate_inp", "ne"},
    {"block_sparse_moe.gate", "ffn_gate_inp", "ne"},
};

// One expert's matrices, after experts.N.
constexpr Name expert_names[] = {
    {"gate_proj", "ffn_gate_exps", "xe"}, {"up_proj", "ffn_up_exps", "xe"}, {"down_proj", "ffn_down_exps", "ex"},
    {"w1", "ffn_gate_exps", "xe"},        {"w3", "ffn_up_exps", "xe"},      {"w2", "ffn_down_exps", "ex"},
};

const Name* find_name(std::span<const Name> names, std::string_view stem) {
  const auto found = std::find_if(names.begin(), names.end(), [&](const Name& name) { return name.stem == stem; });
  return found == names.end() ? nullptr : &*found;
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data() + text.size() || *end != '.') return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  return number;
}

// Buffers, heads that give no text, and the other senses of a multimodal model.
bool is_not_needed(const Family& family, std::string_view name) {
  for (const std::string_view part : {"vision_tower.", "multi_modal_projector.", "vision_model.", "audio_tower."})
    if (name.find(part) != name.npos) return true;
  for (const std::string_view end : {".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias", ".attention.bias",
                                     ".attention.masked_bias", "embeddings.position_ids"})
    if (name.ends_with(end)) return true;
  return family.encoder &&
         (name.find("pooler.") != name.npos || name.starts_with("cls.") || name.starts_with("lm_head."));
}

}  // namespace

std::span<const Family> families() {
  return rows;
}

const Family& find_family(std::string_view checkpoint_class, const std::string& origin) {
  std::vector<std::string_view> known;
  for (const Family& family : rows)
    for (const std::string_view name : family.checkpoints) {
      if (name.empty()) continue;
      if (name == checkpoint_class) return family;
      known.push_back(name);
    }
  throw Error(Code::unsupported, fmt::format("checkpoints of class {} cannot be imported", checkpoint_class), origin,
              fmt::format("known are {}", fmt::join(known, ", ")));
}

std::optional<std::uint64_t> Dimensions::of(char letter) const {
  switch (letter) {
    case 'e':
      return width;
    case 'v':
      return vocabulary;
    case 'q':
      return heads * head;
    case 'k':
      return heads_kv * head;
    case 's':
      return (heads + 2 * heads_kv) * head;
    case 'h':
      return head;
    case 'f':
      return feed_forward;
    case 'g':
      return 2 * feed_forward;
    case 'n':
      return experts;
    case 'x':
      return expert_feed_forward;
    case 'y':
      return 2 * expert_feed_forward;
    default:
      return std::nullopt;
  }
}

std::optional<Mapping> map_tensor(const Family& family, std::string_view name, const std::string& origin) {
  if (is_not_needed(family, name)) return std::nullopt;
  std::string_view rest = name;
  bool stripped = true;
  while (stripped) {
    stripped = false;
    for (const std::string_view prefix :
         {"model.", "transformer.", "language_model.", "gpt_neox.", "bert.", "roberta."})
      stripped = take_prefix(rest, prefix) || stripped;
  }
  const auto unknown = [&]() -> Error {
    return Error(Code::unsupported,
                 fmt::format("tensor {} is none that the family {} knows", name.substr(0, 200), family.architecture),
                 origin);
  };

  std::string suffix = ".weight";
  std::string_view stem = rest;
  for (const auto& [end, becomes] :
       {std::pair{".weight", ".weight"}, {".bias", ".bias"}, {".gamma", ".weight"}, {".beta", ".bias"}})
    if (rest.ends_with(end)) {
      stem.remove_suffix(std::string_view(end).size());
      suffix = becomes;
      break;
    }
  const auto shape_of = [&](std::string_view shape) { return suffix == ".bias" ? shape.substr(0, 1) : shape; };

  std::optional<std::uint64_t> block;
  for (const std::string_view prefix : {"layers.", "h.", "blocks.", "encoder.layer.", "encoder.layers."})
    if (!block && take_prefix(stem, prefix)) block = take_number(stem);
  if (!block) {
    const Name* found = find_name(model_names, stem);
    if (!found) throw unknown();
    return Mapping{.name = std::string(found->target) + suffix, .shape = shape_of(found->shape)};
  }

  Mapping mapping;
  const auto named = [&](std::string_view target, std::string_view shape) {
    mapping.name = fmt::format("blk.{}.{}{}", *block, target, suffix);
    mapping.shape = shape_of(shape);
    return mapping;
  };
  if (stem == "post_attention_layernorm" && family.post_norms) return named("post_attention_norm", "e");
  if (const Name* found = find_name(block_names, stem)) return named(found->target, found->shape);
  for (const std::string_view prefix : {"self_attn.q_layernorm.norms.", "self_attn.k_layernorm.norms."}) {
    std::string_view number = rest;
    if (const auto at = number.find(prefix); at != number.npos) {
      number.remove_prefix(at + prefix.size());
      mapping.head = take_number(number);
      if (mapping.head) return named(prefix.find("q_") != prefix.npos ? "attn_q_norm" : "attn_k_norm", "h");
    }
  }
  for (const std::string_view prefix : {"mlp.experts.", "block_sparse_moe.experts."}) {
    if (!take_prefix(stem, prefix)) continue;
    if (stem == "gate_up_proj") {
      mapping.gate_up = true;
      return named("ffn_gate_exps", "nye");
    }
    if (stem == "down_proj") return named("ffn_down_exps", "nex");
    mapping.expert = take_number(stem);
    const Name* found = mapping.expert ? find_name(expert_names, stem) : nullptr;
    if (found) return named(found->target, found->shape);
  }
  throw unknown();
}

}  // namespace hearth::convert
