// What this processor can do, asked once.
#pragma once

#include <string>

namespace hearth {

struct CpuFeatures {
  bool avx2 = false;    // with FMA, F16C and BMI2
  bool avx512 = false;  // F, BW, VL, DQ and VNNI, and the system saves the registers
  bool avx512_bf16 = false;
  bool amx = false;       // tiles of bfloat16, with the above, and the system grants them to this process
  bool avx_vnni = false;  // the 256-bit form
};

const CpuFeatures& cpu_features();

// The processor's name as it gives it.
std::string cpu_name();

}  // namespace hearth
