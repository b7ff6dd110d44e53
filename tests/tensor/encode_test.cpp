#include "tensor/encode.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <vector>

#include "shared.h"
#include "tensor/float16.h"
#include "tensor/type.h"

namespace hearth::tensor {
namespace {

std::vector<float> read_floats(const std::string& name) {
  std::ifstream file(tests::shared() / "conformance/blocks" / name, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  std::vector<float> floats(bytes.size() / 4);
  std::memcpy(floats.data(), bytes.data(), floats.size() * 4);
  return floats;
}

std::vector<const TypeInfo*> block_types() {
  std::vector<const TypeInfo*> found;
  for (const TypeInfo& type : types())
    if (type.block_weights > 1) found.push_back(&type);
  return found;
}

std::vector<float> random_weights(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 0.05f);
  std::vector<float> x(count);
  for (float& one : x) one = normal(random);
  return x;
}

std::vector<float> there_and_back(const TypeInfo& type, const std::vector<float>& x,
                                  const float* importance = nullptr) {
  std::vector<std::byte> blocks(row_bytes(type.type, x.size()));
  std::vector<float> back(x.size());
  type.encode(x.data(), importance, blocks.data(), x.size());
  type.decode(blocks.data(), back.data(), x.size());
  return back;
}

// The root of the mean squared error, weighted by the importance of the columns where there is one.
double error_of(const TypeInfo& type, const std::vector<float>& x, const std::vector<float>& importance) {
  const std::size_t columns = 1536;
  double sum = 0;
  for (std::size_t begin = 0; begin < x.size(); begin += columns) {
    const std::vector<float> row(x.begin() + std::ptrdiff_t(begin), x.begin() + std::ptrdiff_t(begin + columns));
    const auto back = there_and_back(type, row, importance.empty() ? nullptr : importance.data());
    for (std::size_t i = 0; i < columns; ++i) {
      const double difference = double(row[i]) - back[i];
      sum += (importance.empty() ? 1.0 : double(importance[i])) * difference * difference;
    }
  }
  return std::sqrt(sum / double(x.size()));
}

TEST(Encode, ErrorIsNotAboveTheReference) {
  HEARTH_NEEDS_SHARED();
  std::ifstream file(tests::shared() / "conformance/blocks/encode.json");
  const auto cases = nlohmann::json::parse(file);
  const std::vector<float> importance = read_floats("importance.f32");
  ASSERT_EQ(importance.size(), 1536u);
  for (const auto& [input, formats] : cases["errors"].items()) {
    const std::vector<float> x = read_floats(input + ".f32");
    for (const auto& [name, expected] : formats.items()) {
      const TypeInfo& type = *find_type(name);
      EXPECT_LE(error_of(type, x, {}), expected["rmse"].get<double>()) << input << " " << name;
      EXPECT_LE(error_of(type, x, importance), expected["weighted_rmse_with_importance"].get<double>())
          << input << " " << name;
    }
  }
}

// What a format can hold exactly, it holds exactly: compressing twice loses nothing more where blocks stand alone, and
// next to nothing where groups share a step.
TEST(Encode, WhatLiesOnTheGridStays) {
  for (const TypeInfo* type : block_types()) {
    const auto once = there_and_back(*type, random_weights(2048, 3));
    const auto twice = there_and_back(*type, once);
    double energy = 0, loss = 0;
    for (std::size_t i = 0; i < once.size(); ++i) {
      energy += double(once[i]) * once[i];
      loss += (double(once[i]) - twice[i]) * (double(once[i]) - twice[i]);
    }
    EXPECT_LE(loss, (type->block_weights == 32 ? 1e-9 : 3e-4) * energy) << type->name;
  }
}

// A row's blocks do not depend on their neighbours, wherever the row ends.
TEST(Encode, BlocksStandAlone) {
  for (const TypeInfo* type : block_types()) {
    const auto x = random_weights(type->block_weights * 21, 5);
    std::vector<std::byte> whole(type->block_bytes * 21), one(type->block_bytes);
    type->encode(x.data(), nullptr, whole.data(), x.size());
    for (const std::size_t block : {0u, 1u, 15u, 20u}) {
      type->encode(x.data() + block * type->block_weights, nullptr, one.data(), type->block_weights);
      EXPECT_EQ(0, std::memcmp(one.data(), whole.data() + block * type->block_bytes, type->block_bytes)) << type->name;
    }
  }
}

TEST(Encode, ImportantWeightsAreKeptBetter) {
  const auto x = random_weights(4096, 9);
  std::vector<float> importance(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) importance[i] = i % 8 == 0 ? 100.0f : 0.1f;
  for (const TypeInfo* type : block_types()) {
    const auto plain = there_and_back(*type, x), weighted = there_and_back(*type, x, importance.data());
    double plain_error = 0, weighted_error = 0;
    for (std::size_t i = 0; i < x.size(); i += 8) {
      plain_error += (double(x[i]) - plain[i]) * (double(x[i]) - plain[i]);
      weighted_error += (double(x[i]) - weighted[i]) * (double(x[i]) - weighted[i]);
    }
    EXPECT_LT(weighted_error, plain_error) << type->name;
  }
}

TEST(Encode, ZerosStayZerosWhateverTheImportance) {
  const std::vector<float> x(512), none(512), huge(512, 3e38f);
  for (const TypeInfo* type : block_types())
    for (const float* importance : {static_cast<const float*>(nullptr), none.data(), huge.data()})
      EXPECT_TRUE(there_and_back(*type, x, importance) == x) << type->name;
}

TEST(Encode, NoImportanceAtAllCountsAlike) {
  const auto x = random_weights(512, 11);
  const std::vector<float> none(512);
  for (const TypeInfo* type : block_types()) {
    const auto back = there_and_back(*type, x, none.data());
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(back[i], x[i], 0.12f) << type->name << " " << i;
  }
}

// Numbers at the edge of float32 and beyond: any bytes come out, none of them read or written elsewhere.
TEST(Encode, TakesAnyNumbers) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (const TypeInfo* type : block_types())
    for (const float odd : {infinity, -infinity, std::numeric_limits<float>::quiet_NaN(), 3e38f, 1e-44f, -0.0f, 1e5f}) {
      std::vector<float> x(512, 0.5f);
      x[7] = odd;
      x[300] = -odd;
      there_and_back(*type, x);
      there_and_back(*type, std::vector<float>(512, odd), x.data());
    }
}

// Scales and codes as the coding tells them make up the weights that decoding gives.
TEST(Coding, SaysWhatBlocksHold) {
  std::mt19937 random(13);
  for (const TypeInfo* type : block_types()) {
    const Coding* const held = coding(type->type);
    ASSERT_TRUE(held) << type->name;
    const auto x = random_weights(1024, 15);
    std::vector<std::byte> blocks(row_bytes(type->type, x.size()));
    type->encode(x.data(), nullptr, blocks.data(), x.size());
    std::vector<std::uint8_t> codes(x.size());
    for (auto& code : codes) code = std::uint8_t(random() % held->values.size());
    held->put_codes(codes.data(), blocks.data(), x.size());
    std::vector<float> scales(x.size() / held->group), offsets(scales.size()), back(x.size());
    held->read_groups(blocks.data(), scales.data(), offsets.data(), x.size());
    type->decode(blocks.data(), back.data(), x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float weight = scales[i / held->group] * held->values[codes[i]] + offsets[i / held->group];
      ASSERT_NEAR(back[i], weight, 1e-6f) << type->name << " " << i;
    }
  }
  EXPECT_EQ(coding(Type::f16), nullptr);
}

TEST(Coding, ReplacesScalesWhereBlocksHaveTheirOwn) {
  for (const TypeInfo* type : block_types()) {
    const Coding* const held = coding(type->type);
    EXPECT_EQ(held->put_groups != nullptr, type->block_weights == 32 && type->type != Type::mxfp4) << type->name;
    if (!held->put_groups) continue;
    const auto x = random_weights(96, 17);
    std::vector<std::byte> blocks(row_bytes(type->type, x.size()));
    type->encode(x.data(), nullptr, blocks.data(), x.size());
    const float scales[] = {0.5f, -0.25f, 2}, offsets[] = {-1, 0.125f, 3};
    float read_scales[3], read_offsets[3];
    held->put_groups(scales, offsets, blocks.data(), x.size());
    held->read_groups(blocks.data(), read_scales, read_offsets, x.size());
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(read_scales[i], scales[i]) << type->name;
      EXPECT_EQ(read_offsets[i], held->has_offsets ? offsets[i] : 0) << type->name;
    }
  }
}

}  // namespace
}  // namespace hearth::tensor
