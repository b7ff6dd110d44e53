#include "base/cpu.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace hearth {
namespace {

TEST(Cpu, AgreesWithTheKernel) {
  std::ifstream file("/proc/cpuinfo");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto has = [&](const std::string& flag) { return text.find(" " + flag + " ") != std::string::npos; };
  const CpuFeatures& features = cpu_features();
  EXPECT_EQ(features.avx2, has("avx2") && has("fma") && has("f16c") && has("bmi2"));
  EXPECT_EQ(features.avx512, features.avx2 && has("avx512f") && has("avx512bw") && has("avx512vl") && has("avx512dq") &&
                                 has("avx512_vnni"));
  EXPECT_EQ(features.avx512_bf16, features.avx512 && has("avx512_bf16"));
  EXPECT_LE(features.amx, features.avx512_bf16 && has("amx_tile") && has("amx_bf16"));
  EXPECT_EQ(features.avx_vnni, features.avx2 && has("avx_vnni"));
  EXPECT_EQ(&features, &cpu_features());
  EXPECT_FALSE(cpu_name().empty());
}

}  // namespace
}  // namespace hearth
