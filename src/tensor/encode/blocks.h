// Formats whose blocks stand alone: sixteen blocks of 32 are encoded side by side.
#pragma once

#include "tensor/encode/affine.h"
#include "tensor/encode/symmetric.h"
#include "tensor/formats/q4_0.h"
#include "tensor/formats/q4_1.h"
#include "tensor/formats/q5_0.h"
#include "tensor/formats/q5_1.h"
#include "tensor/formats/q8_0.h"

namespace hearth::tensor {
namespace {

// For each format: the weights of a group, the values of its codes, where to read a group's scale and offset
// (weight = scale * value(code) + offset), and how codes are put in place.

template <class Block>
inline void put_nibbles(const std::uint8_t* codes, Block& block) {
  for (int i = 0; i < 16; ++i) block.codes[i] = static_cast<std::uint8_t>((codes[i] & 15) | codes[i + 16] << 4);
}
template <class Block>
inline void put_fifth_bits(const std::uint8_t* codes, Block& block) {
  for (int i = 0; i < 4; ++i) {
    int bits = 0;
    for (int j = 0; j < 8; ++j) bits |= (codes[8 * i + j] >> 4) << j;
    block.high[i] = static_cast<std::uint8_t>(bits);
  }
}

struct GroupScale {
  float scale, offset;
};

inline void put_codes(const std::uint8_t* codes, Q4_0& block) {
  put_nibbles(codes, block);
}
inline void put_codes(const std::uint8_t* codes, Q4_1& block) {
  put_nibbles(codes, block);
}
inline void put_codes(const std::uint8_t* codes, Iq4_nl& block) {
  put_nibbles(codes, block);
}
inline void put_codes(const std::uint8_t* codes, Mxfp4& block) {
  put_nibbles(codes, block);
}
inline void put_codes(const std::uint8_t* codes, Q5_0& block) {
  put_nibbles(codes, block);
  put_fifth_bits(codes, block);
}
inline void put_codes(const std::uint8_t* codes, Q5_1& block) {
  put_nibbles(codes, block);
  put_fifth_bits(codes, block);
}
inline void put_codes(const std::uint8_t* codes, Q8_0& block) {
  for (int i = 0; i < 32; ++i) block.codes[i] = static_cast<std::int8_t>(codes[i] - 127);
}

inline GroupScale group_values(const Q4_0& block, int) {
  return {half_to_float(block.scale), 0};
}
inline GroupScale group_values(const Q5_0& block, int) {
  return {half_to_float(block.scale), 0};
}
inline GroupScale group_values(const Q8_0& block, int) {
  return {half_to_float(block.scale), 0};
}
inline GroupScale group_values(const Iq4_nl& block, int) {
  return {half_to_float(block.scale), 0};
}
inline GroupScale group_values(const Mxfp4& block, int) {
  return {half_scale(block), 0};
}
inline GroupScale group_values(const Q4_1& block, int) {
  return {half_to_float(block.scale), half_to_float(block.minimum)};
}
inline GroupScale group_values(const Q5_1& block, int) {
  return {half_to_float(block.scale), half_to_float(block.minimum)};
}

// Sixteen groups of 32 at a time: `search` chooses scales and codes, and writes the blocks' scales.
template <class Block, class Search>
inline void encode_tiles(const float* weights, const float* importance, Block* blocks, std::size_t count,
                         const Search& search) {
  Tile<32> tile;
  std::uint8_t codes[lanes * 32];
  for (std::size_t i = 0; i < count; i += lanes * 32, blocks += lanes) {
    fill<1>(tile, weights + i, importance ? importance + i : nullptr, count - i);
    const int real = int((count - i) / 32 < lanes ? (count - i) / 32 : lanes);
    search(tile, codes, blocks, real);
    for (int b = 0; b < real; ++b) put_codes(codes + b * 32, blocks[b]);
  }
}

template <class Grid, class Block>
inline void encode_scaled(const float* weights, const float* importance, Block* blocks, std::size_t count,
                          Landing landing) {
  encode_tiles(weights, importance, blocks, count,
               [&](const Tile<32>& tile, std::uint8_t* codes, Block* out, int real) {
                 const Lanes scales = search_halves<Grid>(tile, search_scales<Grid>(tile, landing, 4));
                 codes_of<Grid>(tile, scales, codes);
                 for (int b = 0; b < real; ++b) out[b].scale = half_bits(scales.at[b]);
               });
}

template <int top, class Block>
inline void encode_affine(const float* weights, const float* importance, Block* blocks, std::size_t count) {
  encode_tiles(weights, importance, blocks, count,
               [&](const Tile<32>& tile, std::uint8_t* codes, Block* out, int real) {
                 const Affine values = search_halves<top>(tile, search_affine<top>(tile, false, true, 4));
                 codes_of<top>(tile, values, codes);
                 for (int b = 0; b < real; ++b) {
                   out[b].scale = half_bits(values.scale.at[b]);
                   out[b].minimum = half_bits(values.minimum.at[b]);
                 }
               });
}

inline constexpr float q4_landings[] = {-8, -8.5f, -9, -7.6f, -7.2f, -6.8f, -6.4f, -6,   -5.5f, -5,   -4, -3,
                                        -2, -1,    7,  7.5f,  8,     6.5f,  6,     5.5f, 5,     4.5f, 4};
inline constexpr float q5_landings[] = {-16, -16.5f, -17, -15.5f, -15, -14.5f, -14, -13.5f, -13, -12, -11, -10,
                                        -9,  -8,     15,  15.5f,  16,  14.5f,  14,  13.5f,  13,  12,  11,  -12.5f};
inline constexpr float q8_landings[] = {127, 126.5f, 126,    125.5f, 125,  124.5f, 124, 123,  122,
                                        121, 120,    127.5f, 118,    -127, 116,    112, -126, -125};
inline constexpr float iq4_landings[] = {-127, -120, -113, -104, -132, -138, -98, -92, -83,
                                         113,  106,  100,  94,   118,  124,  89,  78,  69};

inline void encode(const float* weights, const float* importance, Q4_0* blocks, std::size_t count) {
  encode_scaled<Integers<-8, 7>>(weights, importance, blocks, count, {q4_landings, 23});
}
inline void encode(const float* weights, const float* importance, Q5_0* blocks, std::size_t count) {
  encode_scaled<Integers<-16, 15>>(weights, importance, blocks, count, {q5_landings, 24});
}
inline void encode(const float* weights, const float* importance, Q8_0* blocks, std::size_t count) {
  encode_scaled<Integers<-127, 127>>(weights, importance, blocks, count, {q8_landings, 18});
}
inline void encode(const float* weights, const float* importance, Iq4_nl* blocks, std::size_t count) {
  encode_scaled<Iq4Values>(weights, importance, blocks, count, {iq4_landings, 18});
}
inline void encode(const float* weights, const float* importance, Q4_1* blocks, std::size_t count) {
  encode_affine<15>(weights, importance, blocks, count);
}
inline void encode(const float* weights, const float* importance, Q5_1* blocks, std::size_t count) {
  encode_affine<31>(weights, importance, blocks, count);
}

// A power of two leaves four scales to choose from; its inverse must be finite.
inline void encode(const float* weights, const float* importance, Mxfp4* blocks, std::size_t count) {
  encode_tiles(weights, importance, blocks, count, [](const Tile<32>& tile, std::uint8_t* codes, Mxfp4* out, int real) {
    const Lanes largest = largest_of(tile);
    Lanes trial, best{}, best_error;
    int first[lanes], exponents[lanes] = {};
    for (int g = 0; g < lanes; ++g) {
      const int power = int(bits_of(largest.at[g]) >> 23 & 255);  // 2^(power - 127) <= |largest|
      first[g] = power - 127 - 3 + 128;                           // lands it on 8 to 16, of 12
      best_error.at[g] = 3.4e38f;
    }
    for (int step = -1; step <= 2; ++step) {
      for (int g = 0; g < lanes; ++g) {
        const int exponent = first[g] + step;
        Mxfp4 block{};
        block.exponent = static_cast<std::uint8_t>(exponent < 2 ? 2 : exponent > 254 ? 254 : exponent);
        trial.at[g] = half_scale(block);
      }
      const Lanes error = error_of<Mxfp4Values>(tile, trial);
      for (int g = 0; g < lanes; ++g) {
        if (!(error.at[g] < best_error.at[g])) continue;
        best_error.at[g] = error.at[g];
        best.at[g] = trial.at[g];
        const int exponent = first[g] + step;
        exponents[g] = exponent < 2 ? 2 : exponent > 254 ? 254 : exponent;
      }
    }
    codes_of<Mxfp4Values>(tile, best, codes);
    for (int b = 0; b < real; ++b) out[b].exponent = static_cast<std::uint8_t>(exponents[b]);
  });
}

}  // namespace
}  // namespace hearth::tensor
