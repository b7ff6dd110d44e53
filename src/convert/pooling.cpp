#include "convert/pooling.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "convert/json.h"

namespace hearth::convert {

namespace {

std::uint32_t pooling_type(const JsonObject& config) {
  constexpr std::pair<std::string_view, std::uint32_t> known[] = {
      {"mean", 1}, {"pooling_mode_mean_tokens", 1},  // llama.cpp's numbers
      {"cls", 2},  {"pooling_mode_cls_token", 2},   {"lasttoken", 3}, {"pooling_mode_lasttoken", 3}};
  std::vector<std::string> wanted;  // of several, an embedding is all of them
  if (const std::string mode = config.string("pooling_mode", ""); !mode.empty()) wanted.push_back(mode);
  for (const auto& [key, value] : config.json().items())
    if (key.starts_with("pooling_mode_") && value == true) wanted.push_back(key);
  for (const std::uint32_t type : {1u, 2u, 3u}) {
    const auto is_type = [&](const std::string& mode) {
      return std::ranges::find(known, std::pair(std::string_view(mode), type)) != std::end(known);
    };
    if (!wanted.empty() && std::ranges::all_of(wanted, is_type)) return type;
  }
  throw Error(
      Code::unsupported,
      fmt::format("pooling by {}", wanted.empty() ? "nothing known" : fmt::to_string(fmt::join(wanted, " and "))),
      config.origin(), "known are mean, cls and lasttoken, one of them");
}

}  // namespace

void add_pooling(const std::filesystem::path& folder, const Family& family, gguf::Metadata& metadata) {
  const auto path = folder / "modules.json";
  const Json modules = read_json_if_there(path);
  if (modules.is_null()) return;
  if (!modules.is_array()) throw Error(Code::bad_input, "not a list of modules", path.string());
  for (const Json& json : modules) {
    const JsonObject module(json, path.string());
    const std::string type = module.string("type", "");
    const std::string name = type.substr(type.rfind('.') + 1);
    if (name == "Transformer" || name == "Normalize") continue;
    if (name != "Pooling") throw Error(Code::unsupported, fmt::format("the module {}", type), path.string());
    const auto config = folder / module.string("path", "1_Pooling") / "config.json";
    metadata.set(std::string(family.architecture) + ".pooling_type",
                 {pooling_type(JsonObject(read_json(config), config.string()))});
  }
}

}  // namespace hearth::convert
