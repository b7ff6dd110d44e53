// Filters that go through a sequence only as it is asked for: map, select, unique, batch, ...
#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/filters.h"
#include "text/jinja/operators.h"

namespace hearth::text::jinja {

namespace {

using Given = const Arguments&;

Value nothing(Runtime& runtime) {
  return runtime.generator([](Runtime&) { return std::optional<Value>(); });
}

std::string name_in(Runtime& runtime, const Value& name, std::string_view what) {
  if (name.is_text()) return name.text();
  runtime.fail(fmt::format("the name of a {} is a str, not {}", what, type_name(name)));
}

// Made when the first item is asked for: what is wrong with the arguments shows then, and not before.
template <class Make>
Value lazily(Runtime& runtime, const Value& source, Make make) {
  struct State {
    std::optional<Iterator> iterator;
    std::function<std::optional<Value>(Runtime&, Value)> change;  // nothing: the item is left out
  };
  auto state = std::make_shared<State>();
  return runtime.generator([source, make, state](Runtime& r) -> std::optional<Value> {
    if (!state->iterator) {
      state->change = make(r);
      state->iterator.emplace(r, source);
    }
    while (auto item = state->iterator->next(r))
      if (auto kept = state->change(r, std::move(*item))) return kept;
    return std::nullopt;
  });
}

using Change = std::function<std::optional<Value>(Runtime&, Value)>;

Change mapping(Runtime& runtime, Given given) {
  if (given.positional.empty() && !given.named.empty() &&
      std::any_of(given.named.begin(), given.named.end(), [](const auto& n) { return n.first == "attribute"; })) {
    const Bound bound(runtime, "map", given, {"attribute", "default"});
    const Value* absent = bound.get(1) && !bound[1].is_none() ? bound.get(1) : nullptr;
    return [path = AttributePath(runtime, bound[0]), absent = absent ? std::optional(*absent) : std::nullopt](
               Runtime& r, Value item) -> std::optional<Value> {
      return path.of(r, std::move(item), absent ? &*absent : nullptr);
    };
  }
  if (given.positional.empty()) runtime.fail("map requires a filter argument");
  const std::string name = name_in(runtime, given.positional[0], "filter");
  const Filter* filter = find_filter(name);
  if (!filter) runtime.fail(fmt::format("no filter named '{}'", name));
  Arguments rest = given;
  rest.positional.erase(rest.positional.begin());
  return [filter, rest](Runtime& r, Value item) -> std::optional<Value> { return filter->apply(r, item, rest); };
}

Value map(Runtime& runtime, const Value& value, Given given) {
  if (!truthy(value)) return nothing(runtime);
  return lazily(runtime, value, [given](Runtime& r) { return mapping(r, given); });
}

Change selection(Runtime& runtime, Given given, bool by_attribute, bool keep) {
  Arguments rest = given;
  std::optional<AttributePath> path;
  if (by_attribute) {
    if (rest.positional.empty()) runtime.fail("missing parameter for attribute name");
    path.emplace(runtime, rest.positional[0]);
    rest.positional.erase(rest.positional.begin());
  }
  const Test* test = nullptr;
  if (!rest.positional.empty()) {
    const std::string name = name_in(runtime, rest.positional[0], "test");
    test = find_test(name);
    if (!test) runtime.fail(fmt::format("no test named '{}'", name));
    rest.positional.erase(rest.positional.begin());
  }
  return [path, test, rest, keep](Runtime& r, Value item) -> std::optional<Value> {
    const Value seen = path ? path->of(r, item) : item;
    const bool holds = test ? test->holds(r, seen, rest) : truthy(seen);
    return holds == keep ? std::optional(std::move(item)) : std::nullopt;
  };
}

template <bool by_attribute, bool keep>
Value select(Runtime& runtime, const Value& value, Given given) {
  if (!truthy(value)) return nothing(runtime);
  return lazily(runtime, value, [given](Runtime& r) { return selection(r, given, by_attribute, keep); });
}

Value unique(Runtime& runtime, const Value& value, Given given) {
  const Bound bound(runtime, "unique", given, {"case_sensitive", "attribute"});
  const AttributePath path(runtime, bound[1]);
  auto seen = std::make_shared<Dict>();
  return lazily(runtime, value, [path, seen, exact = bound.flag(0)](Runtime&) -> Change {
    return [path, seen, exact](Runtime& r, Value item) -> std::optional<Value> {
      Value key = path.of(r, item);
      if (!exact) key = ignoring_case(r, key);
      if (seen->find(r, key)) return std::nullopt;
      seen->set(r, std::move(key), Value());
      return item;
    };
  });
}

Value items(Runtime& runtime, const Value& value, Given given) {
  const Bound none(runtime, "items", given, {});
  if (value.is_undefined()) return nothing(runtime);
  return runtime.generator([value, at = std::size_t{0}](Runtime& r) mutable -> std::optional<Value> {
    if (!value.is(Kind::dict)) r.fail("Can only get item pairs from a mapping.");
    const auto& entries = value.as<Dict>().entries;
    if (at >= entries.size()) return std::nullopt;
    const auto& [key, item] = entries[at++];
    return r.tuple({key, item});
  });
}

Value batch(Runtime& runtime, const Value& value, Given given) {
  const Bound bound(runtime, "batch", given, {"linecount", "fill_with"}, 1);
  const Int size = bound.integer(0, 0);
  auto iterator = std::make_shared<Iterator>(runtime, value);
  return runtime.generator(
      [iterator, size, fill = bound[1], ahead = std::optional<Value>()](Runtime& r) mutable -> std::optional<Value> {
        Values line;
        if (ahead) line.push_back(std::move(*std::exchange(ahead, std::nullopt)));
        while (auto item = iterator->next(r)) {
          if (static_cast<Int>(line.size()) == size) {
            ahead = std::move(item);
            return r.list(std::move(line));
          }
          line.push_back(std::move(*item));
        }
        if (line.empty()) return std::nullopt;
        while (!fill.is_none() && static_cast<Int>(line.size()) < size) {
          r.step();
          line.push_back(fill);
        }
        return r.list(std::move(line));
      });
}

Value slice(Runtime& runtime, const Value& value, Given given) {
  const Bound bound(runtime, "slice", given, {"slices", "fill_with"}, 1);
  const Int slices = bound.integer(0, 0);
  auto all = std::make_shared<Values>(to_values(runtime, value));
  return runtime.generator([all, slices, fill = bound[1], number = Int{0}](Runtime& r) mutable -> std::optional<Value> {
    if (slices == 0) r.fail("integer division or modulo by zero");
    if (number >= slices) return std::nullopt;
    const auto size = static_cast<Int>(all->size());
    const Int each = size / slices, extra = size % slices;
    const Int begin = number * each + std::min(number, extra);
    const Int end = begin + each + (number < extra);
    Values part(all->begin() + static_cast<std::ptrdiff_t>(begin), all->begin() + static_cast<std::ptrdiff_t>(end));
    r.step(part.size());
    if (!fill.is_none() && number >= extra) part.push_back(fill);
    ++number;
    return r.list(std::move(part));
  });
}

constexpr Filter table[] = {
    {"map", map},
    {"select", select<false, true>},
    {"reject", select<false, false>},
    {"selectattr", select<true, true>},
    {"rejectattr", select<true, false>},
    {"unique", unique},
    {"items", items},
    {"batch", batch},
    {"slice", slice},
};

}  // namespace

std::span<const Filter> selecting_filters() {
  return table;
}

const Filter* find_filter(std::string_view name) {
  for (const auto& filters :
       {text_filters(), value_filters(), sequence_filters(), selecting_filters(), prose_filters()})
    for (const Filter& filter : filters)
      if (filter.name == name) return &filter;
  return nullptr;
}

}  // namespace hearth::text::jinja
