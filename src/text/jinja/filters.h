// Jinja's filters and tests, by name.
#pragma once

#include <span>
#include <string_view>

#include "text/jinja/arguments.h"
#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace hearth::text::jinja {

struct Filter {
  std::string_view name;
  Value (*apply)(Runtime&, const Value& value, const Arguments&);
};
struct Test {
  std::string_view name;
  bool (*holds)(Runtime&, const Value& value, const Arguments&);
};

const Filter* find_filter(std::string_view name);  // null where there is none
const Test* find_test(std::string_view name);

// The tables that find_filter looks through.
std::span<const Filter> text_filters();
std::span<const Filter> value_filters();
std::span<const Filter> sequence_filters();
std::span<const Filter> selecting_filters();
std::span<const Filter> prose_filters();

// "a.b.0" as filters take it: a path of items.
class AttributePath {
 public:
  AttributePath(Runtime& runtime, const Value& path);
  Value of(Runtime& runtime, Value item, const Value* absent = nullptr) const;

 private:
  Values parts_;
};

Value ignoring_case(Runtime& runtime, const Value& value);  // texts in lower case, others as they are

}  // namespace hearth::text::jinja
