// Methods of the built-in types.
#pragma once

#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace hearth::text::jinja {

using Method = std::function<Value(Runtime&, const Value& self, const Arguments&)>;
Value bound_method(Runtime& runtime, const Value& self, std::string_view name, Method body);

std::optional<Value> text_attribute(Runtime& runtime, const Value& self, std::string_view name);

// str.splitlines and str.replace, which filters use too; `most` below 0: all.
std::string replaced(Runtime& runtime, std::string_view text, std::string_view old, std::string_view fresh, Int most);
Values split_lines(Runtime& runtime, std::string_view text, bool keep_ends, bool markup);

}  // namespace hearth::text::jinja
