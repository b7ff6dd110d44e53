// The table of vector kernels for one vector type.
#pragma once

#include "kernels/body/attend_few.h"
#include "kernels/body/attend_words.h"
#include "kernels/body/rotary.h"
#include "kernels/body/screen.h"

namespace hearth::kernels {
namespace {

template <class V>
constexpr VectorKernels vector_kernels() {
  return {
      .encode_row = {F32Row<V>::encode, F16Row<V>::encode, Q8Row<V>::encode, Q4Row<V>::encode},
      .decode_row = {decode_row<V, F32Row<V>>, decode_row<V, F16Row<V>>, decode_row<V, Q8Row<V>>,
                     decode_row<V, Q4Row<V>>},
      .activate = {activate<V, Silu<V>>, activate<V, GeluTanh<V>>, activate<V, GeluErf<V>>, activate<V, Relu<V>>,
                   activate<V, ReluSquared<V>>},
      .activate_gated = {activate_gated<V, Silu<V>>, activate_gated<V, GeluTanh<V>>, activate_gated<V, GeluErf<V>>,
                         activate_gated<V, Relu<V>>, activate_gated<V, ReluSquared<V>>},
      .add = add_scaled<V>,
      .scale = scale_row<V>,
      .softcap = softcap_row<V>,
      .softmax = softmax_row<V>,
      .log_softmax = log_softmax_row<V>,
      .maximum = maximum_of_row<V>,
      .exponential_sum = exponential_sum<V>,
      .screen_rows = screen_rows,
      .screen_encode = screen_encode<V>,
      .multiply_add = multiply_add<V>,
      .rms_norm = rms_norm_row<V>,
      .layer_norm = layer_norm_row<V>,
      .rope_angles = rope_angles<V>,
      .rotate_halves = rotate_halves<V>,
      .rotate_pairs = rotate_pairs<V>,
      .attention_tile = tile,
      .attention_scratch = attention_scratch<V>,
      .attend_few = attend_few<V>,
      .attend_many = attend_many<V>,
      .merge_attention = merge_attention<V>,
  };
}

}  // namespace
}  // namespace hearth::kernels
