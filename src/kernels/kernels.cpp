#include "kernels/kernels.h"

#include <atomic>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/error.h"

namespace hearth::kernels {

extern const EncodeKernels generic_encode;
extern const MatmulKernels generic_matmul;
extern const VectorKernels generic_vector;
#if defined(__x86_64__)
extern const EncodeKernels avx2_encode, avx512_encode;
extern const MatmulKernels avx2_matmul, avx_vnni_matmul, avx512_matmul, avx512_bf16_matmul, amx_matmul;
extern const VectorKernels avx2_vector, avx512_vector;
#endif

namespace {

std::vector<const Table*> find_available() {
  std::vector<const Table*> tables;
#if defined(__x86_64__)
  static const Table amx{"amx", &amx_matmul, &avx512_vector, &avx512_encode},
      avx512_bf16{"avx512_bf16", &avx512_bf16_matmul, &avx512_vector, &avx512_encode},
      avx512{"avx512", &avx512_matmul, &avx512_vector, &avx512_encode},
      avx_vnni{"avx_vnni", &avx_vnni_matmul, &avx2_vector, &avx2_encode},
      avx2{"avx2", &avx2_matmul, &avx2_vector, &avx2_encode};
  if (cpu_features().amx) tables.push_back(&amx);
  if (cpu_features().avx512_bf16) tables.push_back(&avx512_bf16);
  if (cpu_features().avx512) tables.push_back(&avx512);
  if (cpu_features().avx_vnni) tables.push_back(&avx_vnni);
  if (cpu_features().avx2) tables.push_back(&avx2);
#endif
  static const Table generic{"generic", &generic_matmul, &generic_vector, &generic_encode};
  tables.push_back(&generic);
  return tables;
}

const Table& find(std::string_view name) {
  std::string known;
  for (const Table* table : available()) {
    if (table->name == name) return *table;
    known += (known.empty() ? "" : ", ") + std::string(table->name);
  }
  throw Error(Code::usage, "no kernels for '" + std::string(name) + "' on this machine", {}, "there are " + known);
}

const Table& choose() {
  const char* const asked = std::getenv("HEARTH_CPU");
  return asked && *asked ? find(asked) : *available().front();
}

std::atomic<const Table*>& current() {
  static std::atomic<const Table*> table{&choose()};
  return table;
}

}  // namespace

std::span<const Table* const> available() {
  static const std::vector<const Table*> tables = find_available();
  return tables;
}

const Table& active() {
  return *current().load(std::memory_order_relaxed);
}

void use(std::string_view name) {
  current().store(&find(name), std::memory_order_relaxed);
}

}  // namespace hearth::kernels
