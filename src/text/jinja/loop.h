// The variable `loop` of a for loop.
#pragma once

#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace hearth::text::jinja {

struct Loop : Thing {
  Loop(Runtime& runtime, Value items, Int depth) : source(std::move(items)), depth0(depth), iterator(runtime, source) {}
  std::string_view type() const override { return "LoopContext"; }
  bool callable() const override { return true; }
  Value call(Runtime& runtime, Arguments& arguments) override;  // of a recursive loop
  std::optional<Value> attribute(Runtime& runtime, std::string_view name) override;
  std::string show(Runtime& runtime) override;
  void clear() override;

  std::optional<Value> advance(Runtime& runtime);

  std::weak_ptr<Object> me;
  std::function<Value(Runtime&, const Value& items, Int depth)> recurse;

 private:
  Int length(Runtime& runtime);
  const std::optional<Value>& peek(Runtime& runtime);

  Value source;
  Int depth0;
  Iterator iterator;
  Int index0 = -1;
  bool peeked = false;
  std::optional<Value> after, current, before;
  std::optional<Int> known_length;
  std::optional<Value> last_changed;
};

}  // namespace hearth::text::jinja
