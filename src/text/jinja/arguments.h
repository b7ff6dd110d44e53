// Arguments bound to the parameters of a built-in function.
#pragma once

#include <array>
#include <initializer_list>
#include <string_view>

#include "text/jinja/operators.h"
#include "text/jinja/runtime.h"

namespace hearth::text::jinja {

// `names` in order, "" for a parameter that has no name; the first `required` must be given.
class Bound {
 public:
  Bound(Runtime& runtime, std::string_view callee, const Arguments& arguments,
        std::initializer_list<std::string_view> names, std::size_t required = 0);

  const Value* get(std::size_t i) const { return values_[i]; }
  const Value& operator[](std::size_t i) const { return values_[i] ? *values_[i] : none_; }  // None where absent
  bool flag(std::size_t i) const { return values_[i] && truthy(*values_[i]); }
  Int integer(std::size_t i, Int absent) const { return values_[i] ? to_index(runtime_, *values_[i]) : absent; }
  const std::string& text(std::size_t i) const;  // throws unless it is a text

 private:
  Runtime& runtime_;
  std::string_view callee_;
  std::array<const Value*, 6> values_{};
  Value none_;
};

}  // namespace hearth::text::jinja
