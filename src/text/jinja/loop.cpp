#include "text/jinja/loop.h"

#include <fmt/format.h>

#include "text/jinja/operators.h"

namespace hearth::text::jinja {

std::optional<Value> Loop::advance(Runtime& runtime) {
  auto next = peeked ? std::exchange(after, std::nullopt) : iterator.next(runtime);
  peeked = false;
  if (!next) return std::nullopt;
  ++index0;
  before = std::exchange(current, next);
  return next;
}

const std::optional<Value>& Loop::peek(Runtime& runtime) {
  if (!peeked) {
    after = iterator.next(runtime);
    peeked = after.has_value();
  }
  return after;
}

Int Loop::length(Runtime& runtime) {
  if (known_length) return *known_length;
  if (const auto size = length_of(source)) {
    known_length = static_cast<Int>(*size);
  } else {  // a generator: what is left of it is taken
    Values rest;
    while (auto item = iterator.next(runtime)) rest.push_back(std::move(*item));
    known_length = static_cast<Int>(rest.size()) + index0 + 1 + peeked;
    source = runtime.list(std::move(rest));
    iterator = Iterator(runtime, source);
  }
  return *known_length;
}

Value Loop::call(Runtime& runtime, Arguments& arguments) {
  if (!recurse) runtime.fail("the loop must have the 'recursive' marker to be called recursively");
  if (arguments.positional.size() != 1 || !arguments.named.empty()) runtime.fail("loop() takes one argument");
  return recurse(runtime, arguments.positional[0], depth0 + 1);
}

std::optional<Value> Loop::attribute(Runtime& runtime, std::string_view name) {
  if (name == "index") return Value::integer(index0 + 1);
  if (name == "index0") return Value::integer(index0);
  if (name == "first") return Value::boolean(index0 == 0);
  if (name == "last") return Value::boolean(!peek(runtime).has_value());
  if (name == "length") return Value::integer(length(runtime));
  if (name == "revindex") return Value::integer(length(runtime) - index0);
  if (name == "revindex0") return Value::integer(length(runtime) - index0 - 1);
  if (name == "depth") return Value::integer(depth0 + 1);
  if (name == "depth0") return Value::integer(depth0);
  if (name == "previtem") return index0 == 0 || !before ? Value::undefined("there is no previous item") : *before;
  if (name == "nextitem") {
    const auto& next = peek(runtime);
    return next ? *next : Value::undefined("there is no next item");
  }
  const auto self = std::static_pointer_cast<Loop>(me.lock());
  if (name == "cycle")
    return runtime.function("cycle", [self](Runtime& r, Arguments& arguments) {
      if (arguments.positional.empty()) r.fail("no items for cycling given");
      const auto count = static_cast<Int>(arguments.positional.size());
      return arguments.positional[static_cast<std::size_t>(std::max<Int>(self->index0, 0) % count)];
    });
  if (name == "changed")
    return runtime.function("changed", [self](Runtime& r, Arguments& arguments) {
      Value now = r.tuple(arguments.positional);
      if (self->last_changed && equal(r, *self->last_changed, now)) return Value::boolean(false);
      self->last_changed = std::move(now);
      return Value::boolean(true);
    });
  return std::nullopt;
}

std::string Loop::show(Runtime& runtime) {
  return fmt::format("<LoopContext {}/{}>", index0 + 1, length(runtime));
}

void Loop::clear() {
  source = Value();
  after = current = before = last_changed = std::nullopt;
  recurse = nullptr;
}

}  // namespace hearth::text::jinja
