// What a chat template sees besides the messages.
#pragma once

#include "capi/arguments.h"

namespace hearth::capi {

inline nlohmann::ordered_json template_variables(const char* tools, const char* variables) {
  auto all = json(variables, nlohmann::json::value_t::object, "template variables", true);
  if (all.is_null()) all = nlohmann::ordered_json::object();
  auto list = json(tools, nlohmann::json::value_t::array, "tools", true);
  if (!list.is_null()) all["tools"] = std::move(list);
  return all;
}

}  // namespace hearth::capi
