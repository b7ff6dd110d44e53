#include <array>
#include <utility>
#include <vector>

#include "tensor/encode.h"
#include "tensor/encode/encoders.h"
#include "tensor/formats/formats.h"

namespace hearth::tensor {

namespace {

template <class Block>
constexpr std::size_t group_of = Block::weights;
template <>
constexpr std::size_t group_of<Q2_K> = 16;
template <>
constexpr std::size_t group_of<Q3_K> = 16;
template <>
constexpr std::size_t group_of<Q6_K> = 16;
template <>
constexpr std::size_t group_of<Q4_K> = 32;
template <>
constexpr std::size_t group_of<Q5_K> = 32;
template <>
constexpr std::size_t group_of<Iq4_xs> = 32;

template <std::size_t count>
constexpr std::array<float, count> count_from(int first) {
  std::array<float, count> values{};
  for (std::size_t i = 0; i < count; ++i) values[i] = float(first + int(i));
  return values;
}
template <std::size_t count>
constexpr std::array<float, count> floats_of(const std::int8_t (&table)[count]) {
  std::array<float, count> values{};
  for (std::size_t i = 0; i < count; ++i) values[i] = float(table[i]);
  return values;
}

constexpr auto from_0_to_3 = count_from<4>(0);
constexpr auto from_0_to_15 = count_from<16>(0);
constexpr auto from_0_to_31 = count_from<32>(0);
constexpr auto around_0_of_8 = count_from<8>(-4);
constexpr auto around_0_of_16 = count_from<16>(-8);
constexpr auto around_0_of_32 = count_from<32>(-16);
constexpr auto around_0_of_64 = count_from<64>(-32);
constexpr auto around_0_of_255 = count_from<255>(-127);
constexpr auto iq4 = floats_of(iq4_values);
constexpr auto mxfp4 = floats_of(mxfp4_doubled);

template <class Block>
void read_groups(const std::byte* blocks, float* scales, float* offsets, std::size_t count) {
  const auto* block = reinterpret_cast<const Block*>(blocks);
  for (std::size_t i = 0; i < count; i += Block::weights, ++block)
    for (std::size_t group = 0; group < Block::weights / group_of<Block>; ++group) {
      const GroupScale values = group_values(*block, int(group));
      *scales++ = values.scale;
      *offsets++ = values.offset;
    }
}

template <class Block>
void put_all_codes(const std::uint8_t* codes, std::byte* blocks, std::size_t count) {
  auto* block = reinterpret_cast<Block*>(blocks);
  for (std::size_t i = 0; i < count; i += Block::weights) put_codes(codes + i, *block++);
}

template <class Block>
constexpr bool has_minimum = requires(Block block) {
  block.minimum;
};

template <class Block>
void put_groups(const float* scales, const float* offsets, std::byte* blocks, std::size_t count) {
  auto* block = reinterpret_cast<Block*>(blocks);
  for (std::size_t i = 0; i < count / Block::weights; ++i, ++block) {
    block->scale = half_bits(scales[i]);
    if constexpr (has_minimum<Block>) block->minimum = half_bits(offsets[i]);
  }
}

template <class Block>
std::pair<Type, Coding> row(std::span<const float> values) {
  Coding coding{group_of<Block>, values, read_groups<Block>, put_all_codes<Block>, nullptr, has_minimum<Block>};
  if constexpr (Block::weights == 32 && requires(Block block) { block.scale; }) coding.put_groups = put_groups<Block>;
  return {Block::type, coding};
}

}  // namespace

const Coding* coding(Type type) {
  static const std::vector<std::pair<Type, Coding>> table{
      row<Q4_0>(around_0_of_16),  row<Q4_1>(from_0_to_15),   row<Q5_0>(around_0_of_32), row<Q5_1>(from_0_to_31),
      row<Q8_0>(around_0_of_255), row<Q2_K>(from_0_to_3),    row<Q3_K>(around_0_of_8),  row<Q4_K>(from_0_to_15),
      row<Q5_K>(from_0_to_31),    row<Q6_K>(around_0_of_64), row<Iq4_nl>(iq4),          row<Iq4_xs>(iq4),
      row<Mxfp4>(mxfp4)};
  for (const auto& [known, coding] : table)
    if (known == type) return &coding;
  return nullptr;
}

}  // namespace hearth::tensor
