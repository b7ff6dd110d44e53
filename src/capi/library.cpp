#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/cpu.h"
#include "capi/arguments.h"
#include "kernels/kernels.h"

using namespace hearth;
using namespace hearth::capi;

namespace {

std::string describe() {
  nlohmann::ordered_json info = {{"version", HEARTH_VERSION}};
#if defined(__clang__)
  info["compiler"] = fmt::format("Clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#elif defined(__GNUC__)
  info["compiler"] = fmt::format("GCC {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
  info["build_type"] = HEARTH_BUILD_TYPE;
  info["system"] = HEARTH_SYSTEM;
  info["processor"] = cpu_name();
  info["cpu_levels"] = nlohmann::ordered_json::array();
  for (const kernels::Table* table : kernels::available()) info["cpu_levels"].push_back(table->name);
  return info.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

const char* hearth_version(void) {
  return HEARTH_VERSION;
}

const char* hearth_build_info(void) {
  const char* text = "{}";
  quietly([&] {
    static const std::string info = describe();
    text = info.c_str();
  });
  return text;
}

size_t hearth_cpu_level_count(void) {
  std::size_t count = 0;
  quietly([&] { count = kernels::available().size(); });
  return count;
}

const char* hearth_cpu_level_name(size_t index) {
  const char* name = nullptr;
  quietly([&] { name = index < kernels::available().size() ? kernels::available()[index]->name : nullptr; });
  return name;
}

hearth_status hearth_cpu_level_active(const char** name, hearth_error** error) {
  return guard(error, [&] {
    need(name, "name");
    *name = nullptr;
    *name = kernels::active().name;
  });
}
