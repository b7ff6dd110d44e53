// Formats of 256 weights whose groups share a step: 16 groups of 16, or two blocks of 8 groups of 32 at a time.
#pragma once

#include "tensor/encode/blocks.h"
#include "tensor/formats/iq4_xs.h"
#include "tensor/formats/q2_k.h"
#include "tensor/formats/q3_k.h"
#include "tensor/formats/q4_k.h"
#include "tensor/formats/q5_k.h"
#include "tensor/formats/q6_k.h"

namespace hearth::tensor {
namespace {

// Bits `bits` of each code, shifted down by `from`, four codes a byte: weight 128 h + 32 s + i in bits 2 s of byte
// 32 h + i.
inline void put_pairs(const std::uint8_t* codes, int from, std::uint8_t* out) {
  for (int i = 0; i < 64; ++i) {
    int byte = 0;
    for (int s = 0; s < 4; ++s) byte |= (codes[i / 32 * 128 + s * 32 + i % 32] >> from & 3) << 2 * s;
    out[i] = static_cast<std::uint8_t>(byte);
  }
}
// One bit of each code: bit g of byte i for weight 32 g + i.
inline void put_bits(const std::uint8_t* codes, int from, std::uint8_t* out) {
  for (int i = 0; i < 32; ++i) {
    int byte = 0;
    for (int g = 0; g < 8; ++g) byte |= (codes[g * 32 + i] >> from & 1) << g;
    out[i] = static_cast<std::uint8_t>(byte);
  }
}
// The low four bits: groups 2 j (low halves) and 2 j + 1 in bytes 32 j.
inline void put_halves(const std::uint8_t* codes, std::uint8_t* out) {
  for (int i = 0; i < 128; ++i) {
    const std::uint8_t* pair = codes + i / 32 * 64 + i % 32;
    out[i] = static_cast<std::uint8_t>((pair[0] & 15) | (pair[32] & 15) << 4);
  }
}

inline void put_codes(const std::uint8_t* codes, Q2_K& block) {
  put_pairs(codes, 0, block.codes);
}
inline void put_codes(const std::uint8_t* codes, Q3_K& block) {
  put_pairs(codes, 0, block.codes);
  put_bits(codes, 2, block.high);
}
inline void put_codes(const std::uint8_t* codes, Q4_K& block) {
  put_halves(codes, block.codes);
}
inline void put_codes(const std::uint8_t* codes, Q5_K& block) {
  put_halves(codes, block.codes);
  put_bits(codes, 4, block.high);
}
inline void put_codes(const std::uint8_t* codes, Q6_K& block) {
  put_pairs(codes, 4, block.high);
  for (int i = 0; i < 128; ++i) {
    const std::uint8_t* pair = codes + i / 64 * 128 + i % 64;
    block.low[i] = static_cast<std::uint8_t>((pair[0] & 15) | (pair[64] & 15) << 4);
  }
}
inline void put_codes(const std::uint8_t* codes, Iq4_xs& block) {
  for (int i = 0; i < 128; ++i) {
    const std::uint8_t* pair = codes + i / 16 * 32 + i % 16;
    block.codes[i] = static_cast<std::uint8_t>((pair[0] & 15) | pair[16] << 4);
  }
}

inline GroupScale group_values(const Q2_K& block, int group) {
  return {half_to_float(block.scale) * float(block.scales[group] & 15),
          -half_to_float(block.minimum) * float(block.scales[group] >> 4)};
}
inline GroupScale group_values(const Q3_K& block, int group) {
  return {half_to_float(block.scale) * float(group_scale(block, group)), 0};
}
template <class Block>
inline GroupScale packed_values(const Block& block, int group) {
  return {half_to_float(block.scale) * float(scale_of(block.scales, group)),
          -half_to_float(block.minimum) * float(minimum_of(block.scales, group))};
}
inline GroupScale group_values(const Q4_K& block, int group) {
  return packed_values(block, group);
}
inline GroupScale group_values(const Q5_K& block, int group) {
  return packed_values(block, group);
}
inline GroupScale group_values(const Q6_K& block, int group) {
  return {half_to_float(block.scale) * float(block.scales[group]), 0};
}
inline GroupScale group_values(const Iq4_xs& block, int group) {
  return {half_to_float(block.scale) * float(group_scale(block, group)), 0};
}

// The scales of one block, from the counts of its groups.
inline void put_scales(const SteppedScales& steps, int first, Q3_K& block) {
  for (std::uint8_t& byte : block.scales) byte = 0;
  for (int g = 0; g < 16; ++g) {
    const int count = int(steps.count.at[first + g]) + 32;
    block.scales[g % 8] |= static_cast<std::uint8_t>((count & 15) << g / 8 * 4);
    block.scales[8 + g % 4] |= static_cast<std::uint8_t>((count >> 4) << g / 4 * 2);
  }
  block.scale = half_bits(steps.step.at[first]);
}
inline void put_scales(const SteppedScales& steps, int first, Q6_K& block) {
  for (int g = 0; g < 16; ++g) block.scales[g] = static_cast<std::int8_t>(int(steps.count.at[first + g]));
  block.scale = half_bits(steps.step.at[first]);
}
inline void put_scales(const SteppedScales& steps, int first, Iq4_xs& block) {
  for (std::uint8_t& byte : block.scales_low) byte = 0;
  block.scales_high = 0;
  for (int g = 0; g < 8; ++g) {
    const int count = int(steps.count.at[first + g]) + 32;
    block.scales_low[g / 2] |= static_cast<std::uint8_t>((count & 15) << g % 2 * 4);
    block.scales_high = static_cast<std::uint16_t>(block.scales_high | (count >> 4) << g * 2);
  }
  block.scale = half_bits(steps.step.at[first]);
}
inline void put_scales(const SteppedAffine& steps, int first, Q2_K& block) {
  for (int g = 0; g < 16; ++g)
    block.scales[g] = static_cast<std::uint8_t>(int(steps.count.at[first + g]) | int(steps.drops.at[first + g]) << 4);
  block.scale = half_bits(steps.step.at[first]);
  block.minimum = half_bits(steps.drop.at[first]);
}
template <class Block>
inline void put_scales(const SteppedAffine& steps, int first, Block& block) {
  std::uint8_t* const bytes = block.scales.bytes;
  for (int g = 0; g < 4; ++g) {
    const int scale = int(steps.count.at[first + g]), drop = int(steps.drops.at[first + g]);
    const int scale4 = int(steps.count.at[first + g + 4]), drop4 = int(steps.drops.at[first + g + 4]);
    bytes[g] = static_cast<std::uint8_t>(scale | scale4 >> 4 << 6);
    bytes[g + 4] = static_cast<std::uint8_t>(drop | drop4 >> 4 << 6);
    bytes[g + 8] = static_cast<std::uint8_t>((scale4 & 15) | (drop4 & 15) << 4);
  }
  block.scale = half_bits(steps.step.at[first]);
  block.minimum = half_bits(steps.drop.at[first]);
}

template <int group, class Block, class Search>
inline void encode_super(const float* weights, const float* importance, Block* blocks, std::size_t count,
                         const Search& search) {
  constexpr int block_lanes = 256 / group, blocks_at_once = lanes / block_lanes;
  Tile<group> tile;
  std::uint8_t codes[lanes * group];
  for (std::size_t i = 0; i < count; i += lanes * group, blocks += blocks_at_once) {
    fill<block_lanes>(tile, weights + i, importance ? importance + i : nullptr, count - i);
    const auto steps = search(tile, codes);
    for (int b = 0; b < blocks_at_once && i + std::size_t(b) * 256 < count; ++b) {
      put_scales(steps, b * block_lanes, blocks[b]);
      put_codes(codes + b * 256, blocks[b]);
    }
  }
}

// Least squares over scales in whole steps from [low, high].
template <class Grid, int group, class Block>
inline void encode_super_scaled(const float* weights, const float* importance, Block* blocks, std::size_t count,
                                Landing landing, float low, float high) {
  encode_super<group>(weights, importance, blocks, count, [&](const Tile<group>& tile, std::uint8_t* codes) {
    const Lanes real = search_scales<Grid>(tile, landing, 2);
    const SteppedScales steps = search_steps<Grid, 256 / group>(tile, real, low, high, 3);
    codes_of<Grid>(tile, steps.scales, codes);
    return steps;
  });
}

template <int top, int group, class Block>
inline void encode_super_affine(const float* weights, const float* importance, Block* blocks, std::size_t count,
                                float highest, int rounds) {
  encode_super<group>(weights, importance, blocks, count, [&](const Tile<group>& tile, std::uint8_t* codes) {
    const Affine real = search_affine<top>(tile, true, top <= 3, 2);
    AffineSteps<top, 256 / group, group> search(tile, real, highest);
    const SteppedAffine steps = search.search(rounds);
    codes_of<top>(tile, steps.values(), codes);
    return steps;
  });
}

inline constexpr float q3_landings[] = {-4, -4.4f, -3.7f, -3.4f, -3, -2.7f, -2.4f, 3, 3.4f, -4.8f, 2.7f, 2.4f, -2, 2};
inline constexpr float q6_landings[] = {-32, -32.5f, -31.5f, -31, -30, -29, -28, 31, 31.5f, 30, 29, 28, -27, -26};

inline void encode(const float* weights, const float* importance, Q3_K* blocks, std::size_t count) {
  encode_super_scaled<Integers<-4, 3>, 16>(weights, importance, blocks, count, {q3_landings, 14}, -32, 31);
}
inline void encode(const float* weights, const float* importance, Q6_K* blocks, std::size_t count) {
  encode_super_scaled<Integers<-32, 31>, 16>(weights, importance, blocks, count, {q6_landings, 14}, -128, 127);
}
inline void encode(const float* weights, const float* importance, Iq4_xs* blocks, std::size_t count) {
  encode_super_scaled<Iq4Values, 32>(weights, importance, blocks, count, {iq4_landings, 18}, -32, 31);
}
inline void encode(const float* weights, const float* importance, Q2_K* blocks, std::size_t count) {
  encode_super_affine<3, 16>(weights, importance, blocks, count, 15, 3);
}
inline void encode(const float* weights, const float* importance, Q4_K* blocks, std::size_t count) {
  encode_super_affine<15, 32>(weights, importance, blocks, count, 63, 2);
}
inline void encode(const float* weights, const float* importance, Q5_K* blocks, std::size_t count) {
  encode_super_affine<31, 32>(weights, importance, blocks, count, 63, 2);
}

}  // namespace
}  // namespace hearth::tensor
