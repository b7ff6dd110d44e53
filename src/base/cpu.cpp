#include "base/cpu.h"

#include <fstream>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace hearth {

namespace {

#if defined(__x86_64__)
// XCR0: which register files the system saves. Written as bytes so that no -mxsave flag is needed.
unsigned long long saved_registers() {
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<unsigned long long>(high) << 32) | low;
}

// Whether the system lets this process use tile registers, whose state it keeps for those alone that ask
// (Documentation/arch/x86/xstate.rst of Linux).
bool tiles_are_granted() {
#if defined(__linux__)
  constexpr int request_permission = 0x1023, tile_data = 18;
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
  return false;
#endif
}
#endif

CpuFeatures detect() {
  CpuFeatures features;
#if defined(__x86_64__)
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !((c >> 27) & 1)) return features;  // OSXSAVE
  const auto saved = saved_registers();
  const bool ymm = (saved & 0x6) == 0x6, zmm = (saved & 0xe6) == 0xe6;
  const bool fma = (c >> 12) & 1, f16c = (c >> 29) & 1;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return features;
  features.avx2 = ymm && fma && f16c && ((b >> 5) & 1) && ((b >> 8) & 1);
  features.avx512 = features.avx2 && zmm && ((b >> 16) & 1) && ((b >> 17) & 1) && ((b >> 30) & 1) && ((b >> 31) & 1) &&
                    ((c >> 11) & 1);
  const bool tiles = (saved & 0x60000) == 0x60000 && ((d >> 22) & 1) && ((d >> 24) & 1);
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d)) {
    features.avx_vnni = features.avx2 && ((a >> 4) & 1);
    features.avx512_bf16 = features.avx512 && ((a >> 5) & 1);
    features.amx = features.avx512_bf16 && tiles && tiles_are_granted();
  }
#endif
#if defined(HEARTH_EMULATE_AVX512)  // cmake/emulated.cmake
  features.avx512 = features.avx512_bf16 = true;
#endif
  return features;
}

}  // namespace

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = detect();
  return features;
}

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown processor";
}

}  // namespace hearth
