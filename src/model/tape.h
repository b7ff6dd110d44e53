// What a forward pass can leave behind for a backward one.
#pragma once

#include "tensor/view.h"

namespace hearth::model {

// The places of a layer whose rows a gradient needs. Wirings without a norm at a place pass it by; rows are valid
// during the call only.
enum class Point {
  layer_input,      // the residual stream x as it comes [width]
  attention_input,  // what queries, keys and values are computed from [width]
  queries,
  keys,  // before their norms and rotation [heads * key_width], [heads_kv * key_width]
  rotated_queries,
  rotated_keys,      // as attention sees them
  values,            // [heads_kv * value_width]
  attended,          // what the output matrix sees [heads * value_width]
  attention_branch,  // before a branch norm [width]
  middle,            // x after attention joined, before a residual norm [width]
  ffn_input,         // what gate and up see [width]
  gate,
  up,             // before the activation [feed_forward]
  activated,      // what the down matrix sees [feed_forward]
  ffn_branch,     // before a branch norm [width]
  layer_output,   // x after feed-forward joined, before a residual norm [width]
  output_input,   // x after the last layer, wanted rows [width]; `layer` is the number of layers
  output_normed,  // what the output matrix sees [width]
};

class Tape {
 public:
  virtual ~Tape() = default;
  // `layer` counts from 0. A batch longer than a forward pass takes at once comes in pieces, layer by layer.
  virtual void keep(Point point, std::size_t layer, tensor::ConstRows rows) = 0;
};

}  // namespace hearth::model
