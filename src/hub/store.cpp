#include "hub/store.h"

#include <fmt/format.h>

#include <cstdlib>
#include <string>

#include "base/error.h"

namespace hearth::hub {

std::filesystem::path home() {
  if (const char* set = std::getenv("HEARTH_HOME"); set && *set) return set;
  if (const char* data = std::getenv("XDG_DATA_HOME"); data && *data) return std::filesystem::path(data) / "hearth";
  const char* user = std::getenv("HOME");
  return std::filesystem::path(user && *user ? user : ".") / ".local" / "share" / "hearth";
}

std::filesystem::path models_folder() {
  return home() / "models";
}

std::span<const CatalogueEntry> catalogue() {
  static const std::vector<CatalogueEntry> entries{
      {"smollm2-135m-instruct", "SmolLM2-135M-Instruct.Q4_1.gguf", {{"temp", 0.2f}, {"top_p", 0.9f}}},
      {"gemma-3-270m", "gemma-3-270m-q4_k_m.gguf", {{"temp", 1.0f}, {"top_k", 64.0f}, {"top_p", 0.95f}}},
  };
  return entries;
}

const CatalogueEntry* entry_of(const std::filesystem::path& path) {
  for (const CatalogueEntry& entry : catalogue())
    if (entry.file == path.filename().string()) return &entry;
  return nullptr;
}

std::filesystem::path find_model(std::string_view model) {
  for (const CatalogueEntry& entry : catalogue()) {
    if (entry.name != model) continue;
    auto path = models_folder() / entry.file;
    if (std::filesystem::exists(path)) return path;
    throw Error(Code::not_found, fmt::format("{} is not on this machine", model), path.string(),
                fmt::format("fetch it with scripts/fetch-model {}", model));
  }
  if (model.starts_with("hf:") || model.find("://") != model.npos)
    throw Error(Code::unsupported, "this version does not download models by address", model,
                "download the file and give its path");
  std::filesystem::path path(model);
  if (std::filesystem::exists(path)) return path;
  std::string known;
  for (const CatalogueEntry& entry : catalogue()) known += (known.empty() ? "" : ", ") + std::string(entry.name);
  throw Error(Code::not_found, "no such model file", model,
              fmt::format("give a path to a .gguf, or one of: {}", known));
}

}  // namespace hearth::hub
