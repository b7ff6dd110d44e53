#include "text/jinja/arguments.h"

#include <fmt/format.h>

#include <algorithm>

namespace hearth::text::jinja {

Bound::Bound(Runtime& runtime, std::string_view callee, const Arguments& arguments,
             std::initializer_list<std::string_view> names, std::size_t required)
    : runtime_(runtime), callee_(callee) {
  if (arguments.positional.size() > names.size())
    runtime.fail(
        fmt::format("{}() takes at most {} arguments, {} given", callee, names.size(), arguments.positional.size()));
  for (std::size_t i = 0; i < arguments.positional.size(); ++i) values_[i] = &arguments.positional[i];
  for (const auto& [name, value] : arguments.named) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (name.empty() || found == names.end())
      runtime.fail(fmt::format("{}() got an unexpected keyword argument '{}'", callee, name));
    const Value*& slot = values_[static_cast<std::size_t>(found - names.begin())];
    if (slot) runtime.fail(fmt::format("{}() got multiple values for argument '{}'", callee, name));
    slot = &value;
  }
  for (std::size_t i = 0; i < required; ++i)
    if (!values_[i]) runtime.fail(fmt::format("{}() is missing argument {}", callee, i + 1));
}

const std::string& Bound::text(std::size_t i) const {
  const Value& value = (*this)[i];
  if (value.is_text()) return value.text();
  if (value.is_undefined()) runtime_.fail(value.text());
  runtime_.fail(fmt::format("{}() argument {} must be str, not {}", callee_, i + 1, type_name(value)));
}

}  // namespace hearth::text::jinja
