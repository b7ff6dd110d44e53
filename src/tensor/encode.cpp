#include "tensor/encode.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tensor/formats/formats.h"

namespace hearth::tensor {

namespace {

void encode_f32(const float* weights, const float*, std::byte* blocks, std::size_t count) {
  std::memcpy(blocks, weights, count * sizeof(float));
}

void encode_f16(const float* weights, const float*, std::byte* blocks, std::size_t count) {
  auto* out = reinterpret_cast<F16*>(blocks);
  for (std::size_t i = 0; i < count; ++i) out[i].value = float_to_half(weights[i]);
}

void encode_bf16(const float* weights, const float*, std::byte* blocks, std::size_t count) {
  auto* out = reinterpret_cast<Bf16*>(blocks);
  for (std::size_t i = 0; i < count; ++i) out[i].value = float_to_bfloat(weights[i]);
}

void encode_q8_0(const float* weights, const float*, std::byte* blocks, std::size_t count) {
  auto* out = reinterpret_cast<Q8_0*>(blocks);
  for (std::size_t i = 0; i < count; i += 32, ++out) {
    float largest = 0;
    for (int j = 0; j < 32; ++j) largest = std::max(largest, std::fabs(weights[i + j]));
    out->scale = float_to_half(std::min(largest / 127, 65504.0f));
    const float d = half_to_float(out->scale), inverse = d > 0 ? 1 / d : 0;
    for (int j = 0; j < 32; ++j) {
      const float code = std::nearbyint(weights[i + j] * inverse);
      out->codes[j] = code >= 127 ? 127 : code >= -127 ? static_cast<std::int8_t>(code) : std::int8_t(-127);
    }
  }
}

}  // namespace

decltype(TypeInfo::encode) encoder(Type type) {
  switch (type) {
    case Type::f32:
      return encode_f32;
    case Type::f16:
      return encode_f16;
    case Type::bf16:
      return encode_bf16;
    case Type::q8_0:
      return encode_q8_0;
    default:
      return nullptr;
  }
}

}  // namespace hearth::tensor
