// Values as text: str(), repr(), JSON, HTML escapes.
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace hearth::text::jinja {

std::string show_integer(Int value);
std::string show_float(double value);      // repr(): the shortest that reads back
std::string quote(std::string_view text);  // repr() of a text
std::string str(Runtime& runtime, const Value& value);
std::string repr(Runtime& runtime, const Value& value);
std::string escaped(Runtime& runtime, std::string_view text);  // & < > ' "

struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;
  std::string comma = ", ", colon = ": ";
};
// json.dumps; throws on what JSON cannot say.
std::string json(Runtime& runtime, const Value& value, const JsonStyle& style);

}  // namespace hearth::text::jinja
