#include "convert/pooling.h"

#include <fmt/format.h>

#include "base/error.h"
#include "convert/json.h"

namespace hearth::convert {

namespace {

constexpr std::uint32_t mean = 1, first = 2, last = 3;  // llama.cpp's numbers

std::uint32_t pooling_type(const JsonObject& config) {
  const std::string mode = config.string("pooling_mode", "");
  if (mode == "mean" || config.boolean("pooling_mode_mean_tokens", false)) return mean;
  if (mode == "cls" || config.boolean("pooling_mode_cls_token", false)) return first;
  if (mode == "lasttoken" || config.boolean("pooling_mode_lasttoken", false)) return last;
  std::string wanted = mode;
  for (const auto& [key, value] : config.json().items())
    if (key.starts_with("pooling_mode_") && value == true) wanted = key;
  throw Error(Code::unsupported, fmt::format("pooling by {}", wanted.empty() ? "nothing known" : wanted),
              config.origin(), "known are mean, cls and lasttoken");
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
