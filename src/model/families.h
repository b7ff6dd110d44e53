// The model families: one row each, read by loading, inference and training alike. A row states structure; numbers come
// from the file's metadata. How to add one: docs/how-to/add-a-family.md
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "ops/activation.h"

namespace hearth::model {

enum class Norm {
  rms,    // x / rms(x) * weight                    [arXiv 1910.07467]
  layer,  // (x - mean) / deviation * weight + bias  [arXiv 1607.06450]
};

// Where norms stand around attention A and feed-forward F, and where they join the residual stream x.
enum class Wiring {
  pre_norm,      // x += A(norm(x));        x += F(norm'(x))           GPT-2, Llama  [arXiv 2002.04745]
  branch_norm,   // x += norm(A(x));        x += norm'(F(x))           OLMo 2        [arXiv 2501.00656]
  sandwich,      // x += norm2(A(norm(x))); x += norm2'(F(norm'(x)))   Gemma 2       [arXiv 2408.00118]
  parallel_one,  // n = norm(x);            x += A(n) + F(n)           GPT-J         [arXiv 2204.02311, section 2]
  parallel_two,  // x += A(norm(x)) + F(norm'(x))                      GPT-NeoX      [arXiv 2204.06745]
  post_norm,     // x = norm(x + A(x));     x = norm'(x + F(x))        BERT          [arXiv 1706.03762]
};

// Some families come in two wirings, and the file says which one it is.
enum class WiringChoice {
  fixed,
  parallel_key,  // ARCH.use_parallel_residual false: pre_norm instead
  norm_count,    // layers with one norm only: parallel_one instead
};

// How tokens know their places.
enum class Position {
  rope_halves,  // rotation of (i, i + d/2)      [arXiv 2104.09864, in GPT-NeoX's order]
  rope_pairs,   // rotation of (2i, 2i + 1)      [arXiv 2104.09864]
  learned,      // position_embd, added to the embedding
  alibi,        // a slope on the distance, in the attention's logits  [arXiv 2108.12409]
};

// Norm of queries and keys before rotation. [arXiv 2010.04245]
enum class QkNorm {
  none,
  per_head,   // one weight of a head's width for all heads
  each_head,  // every head has its own weight
  whole,      // all heads together as one row
};

enum class FeedForward {
  plain,        // down(f(up(x)))
  gated,        // down(f(gate(x)) * up(x))    [arXiv 2002.05202]
  gated_fused,  // the same, ffn_up holding the rows of gate, then of up
};

enum class Mask { causal, both_ways };

// Rotation in layers that see a sliding window.
enum class LocalRope {
  same,
  unscaled,  // no scaling, and a base of its own where the file names one (rope.freq_base_swa)
};

enum class LogitScale { multiply, divide };  // what ARCH.logit_scale does to logits

struct Family {
  std::string_view name;  // general.architecture
  Norm norm = Norm::rms;
  Wiring wiring = Wiring::pre_norm;
  WiringChoice wiring_choice = WiringChoice::fixed;
  Position position = Position::rope_halves;
  QkNorm qk_norm = QkNorm::none;
  bool qk_norm_optional = false;  // some sizes of the family have it
  FeedForward feed_forward = FeedForward::gated;
  ops::Activation activation = ops::Activation::silu;
  Mask mask = Mask::causal;     // both_ways: an encoder, gives hidden states and no logits
  bool embedding_norm = false;  // token_embd_norm follows the embedding
  bool embedding_sqrt = false;  // embeddings are multiplied by the square root of the width
  LogitScale logit_scale = LogitScale::multiply;
  LocalRope local_rope = LocalRope::same;

  // Defaults for files that do not say.
  std::size_t window = 0;          // positions that a sliding layer sees; 0: no layer slides
  std::size_t window_period = 0;   // of this many layers the last sees everything; 0: every layer slides
  std::size_t no_rope_period = 0;  // of this many layers the last does not rotate; 0: all rotate
  float local_rope_base = 0;       // 0: the same as elsewhere
  float attention_softcap = 0, logit_softcap = 0;
  float alibi_bias = 0;
  std::size_t width_scaled_layers = 0;  // the size with so many layers scales attention by sqrt(heads / width)

  std::string_view attention_norm = "attn_norm", ffn_norm = "ffn_norm";  // stems of tensor names
  std::array<std::string_view, 2> ignorable{};  // stems (after blk.N.) of tensors that need not be bound
};

std::span<const Family> families();

// Throws unsupported, listing the known ones; `origin` is the file.
const Family& find_family(std::string_view name, std::string_view origin);

}  // namespace hearth::model
