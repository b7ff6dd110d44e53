#include "tensor/type.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "shared.h"
#include "tensor/float16.h"

namespace hearth::tensor {
namespace {

std::vector<std::byte> from_hex(const std::string& text) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(std::byte(std::stoi(text.substr(i, 2), nullptr, 16)));
  return bytes;
}

TEST(Types, DecodeToTheLastBit) {
  HEARTH_NEEDS_SHARED();
  std::ifstream file(tests::shared() / "conformance/blocks/decode.json");
  const auto cases = nlohmann::json::parse(file);
  EXPECT_EQ(cases.size(), 13u);
  for (const auto& [name, one] : cases.items()) {
    const TypeInfo* type = find_type(name);
    ASSERT_TRUE(type) << name;
    const auto bytes = from_hex(one["bytes"].get<std::string>());
    std::vector<float> expected;
    for (const auto& value : one["values"].is_null() ? one["floats"] : one["values"])
      if (value.is_array())
        for (const auto& inner : value) expected.push_back(float(inner.get<double>()));
      else
        expected.push_back(float(value.get<double>()));
    std::vector<float> decoded(expected.size());
    ASSERT_EQ(bytes.size(), expected.size() / type->block_weights * type->block_bytes) << name;
    type->decode(bytes.data(), decoded.data(), decoded.size());
    for (std::size_t i = 0; i < expected.size(); ++i)
      EXPECT_EQ(bits_of(decoded[i]), bits_of(expected[i])) << name << " " << i;
  }
}

}  // namespace
}  // namespace hearth::tensor
