// '%d items' % n, and '{:>10}'.format(x).
#pragma once

#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace hearth::text::jinja {

Value percent_format(Runtime& runtime, const Value& format, const Value& arguments);
Value brace_format(Runtime& runtime, const Value& format, const Arguments& arguments);

}  // namespace hearth::text::jinja
