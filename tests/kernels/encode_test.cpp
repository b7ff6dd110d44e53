#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "kernels/kernels.h"
#include "tensor/type.h"

namespace hearth::kernels {
namespace {

// Every instruction set of this machine writes the bytes of the definition.
TEST(EncodeKernels, WriteTheSameBytes) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> x(2048 + 256), importance(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = normal(random) * normal(random);
    importance[i] = normal(random) * normal(random);
    importance[i] *= importance[i];
  }
  for (const Table* table : available())
    for (const tensor::TypeInfo& type : tensor::types()) {
      const auto encode = table->encoders->encode[std::size_t(type.type)];
      ASSERT_EQ(encode == nullptr, type.encode == nullptr) << type.name;
      if (!encode) continue;
      for (const bool weighted : {false, true}) {
        const float* const weights = weighted ? importance.data() : nullptr;
        std::vector<std::byte> expected(tensor::row_bytes(type.type, x.size())), bytes(expected.size());
        type.encode(x.data(), weights, expected.data(), x.size());
        encode(x.data(), weights, bytes.data(), x.size());
        EXPECT_TRUE(bytes == expected) << table->name << " " << type.name << (weighted ? ", weighted" : "");
      }
    }
}

}  // namespace
}  // namespace hearth::kernels
