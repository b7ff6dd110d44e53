// Functions that every template sees: range, dict, namespace, cycler, joiner, raise_exception, strftime_now.
#pragma once

#include "text/jinja/runtime.h"

namespace hearth::text::jinja {

std::optional<Value> global(Runtime& runtime, std::string_view name);

}  // namespace hearth::text::jinja
