// Where models live on this machine, and what file a MODEL on the command line means.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace hearth::hub {

// $HEARTH_HOME, or hearth/ in the XDG data folder.
std::filesystem::path home();
std::filesystem::path models_folder();

struct CatalogueEntry {
  std::string_view name;
  std::string_view file;  // in the models folder
  // What the model's card suggests where the file says nothing: keys as in "general.sampling.temp".
  std::vector<std::pair<std::string_view, float>> sampling;
};
std::span<const CatalogueEntry> catalogue();
// The entry whose file this is, or null.
const CatalogueEntry* entry_of(const std::filesystem::path& path);

// A path to a file, or a name of the catalogue. Throws not_found saying what to do.
std::filesystem::path find_model(std::string_view model);

}  // namespace hearth::hub
