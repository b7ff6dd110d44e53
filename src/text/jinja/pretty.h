// pprint.pformat: repr() in lines of 80 characters, dicts sorted by key.
#pragma once

#include <string>

#include "text/jinja/runtime.h"

namespace hearth::text::jinja {

std::string pretty(Runtime& runtime, const Value& value);

}  // namespace hearth::text::jinja
