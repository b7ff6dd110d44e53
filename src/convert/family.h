// The families whose checkpoints can be imported: one row each, and the tensor names that all of them share.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hearth::convert {

// How a checkpoint's fused query_key_value orders its rows; GGUF wants all of q, then k, then v.
enum class FusedQkv {
  in_order,  // q, k, v already
  by_group,  // the queries that share a key, that key, its value; then the next group (Falcon, GPT-NeoX, BLOOM)
};

struct Family {
  std::string_view architecture;                  // general.architecture
  std::array<std::string_view, 4> checkpoints{};  // "architectures" in config.json
  // Hugging Face rotates halves (i, i + n/2); these families' GGUF files rotate neighbours (2i, 2i + 1), their q and k
  // rows reordered so that it comes to the same.
  bool rope_pairs = false;
  bool partial_rotary = false;  // heads may be rotated in part; elsewhere a share in config.json is not heeded
  bool layer_norm = false;      // not RMS norm: another epsilon key
  bool norm_plus_one = false;   // the checkpoint keeps w - 1 (Gemma)
  bool post_norms = false;      // post_attention_layernorm follows attention, and is not the norm before the MLP
  bool transposed = false;      // weights are [inputs, outputs] (GPT-2)
  bool encoder = false;
  bool position_offset = false;  // the first position is pad_token_id + 1 (RoBERTa)
  FusedQkv fused_qkv = FusedQkv::in_order;
  std::string_view activation = "silu";  // "silu" or "gelu", of any approximation
  std::string_view defaults = "{}";      // config.json where it says nothing
};

std::span<const Family> families();
// Throws unsupported naming the class and listing those that are known.
const Family& find_family(std::string_view checkpoint_class, const std::string& origin);

// Where a checkpoint's tensor goes. `shape` says what its rows and columns are, for checking: see Dimensions.
struct Mapping {
  std::string name;                          // GGUF's, with .weight or .bias
  std::string_view shape;                    // "qe": rows q, columns e; one letter: a vector; '?': anything
  std::optional<std::uint64_t> expert = {};  // this tensor is one expert of the stacked `name`
  bool gate_up = false;                      // holds all experts' gate and up rows; `name` is the gate's
  std::optional<std::uint64_t> head = {};    // one head's row of `name` (StableLM's norms)
};

// The letters of Mapping::shape.
struct Dimensions {
  std::uint64_t width = 0;       // e
  std::uint64_t vocabulary = 0;  // v
  std::uint64_t layers = 0;
  std::uint64_t heads = 0, heads_kv = 0, head = 0;  // q = heads * head, k = heads_kv * head, s = q + 2k, h = head
  std::uint64_t feed_forward = 0;                   // f; g = 2f
  std::uint64_t experts = 0;                        // n
  std::uint64_t expert_feed_forward = 0;            // x; y = 2x

  std::optional<std::uint64_t> of(char letter) const;  // none: not checked
};

// Null: a tensor that no model needs (a buffer, a vision tower, a pooler). Throws unsupported where the name is
// unknown.
std::optional<Mapping> map_tensor(const Family& family, std::string_view name, const std::string& origin);

}  // namespace hearth::convert
