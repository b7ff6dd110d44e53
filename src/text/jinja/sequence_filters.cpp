// Filters on sequences that look at all of them: sort, group, join, sum, ...
#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "text/jinja/filters.h"
#include "text/jinja/operators.h"
#include "text/jinja/show.h"
#include "text/jinja/unicode.h"

namespace hearth::text::jinja {

AttributePath::AttributePath(Runtime& runtime, const Value& path) {
  if (path.is_none()) return;
  if (!path.is_text()) {
    parts_.push_back(path);
    return;
  }
  const std::string& text = path.text();
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('.', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    const bool number = !part.empty() && part.size() < 19 && part.find_first_not_of("0123456789") == std::string::npos;
    parts_.push_back(number ? Value::integer(std::stoll(part)) : runtime.text(part));
    begin = end + 1;
  }
}

Value AttributePath::of(Runtime& runtime, Value item, const Value* absent) const {
  for (const Value& part : parts_) {
    runtime.step();
    item = item_of(runtime, item, part);
    if (absent && item.is_undefined()) item = *absent;
  }
  return item;
}

Value ignoring_case(Runtime& runtime, const Value& value) {
  return value.is_text() ? runtime.text(lower(value.text())) : value;
}

namespace {

using Given = const Arguments&;

Values sorted(Runtime& runtime, const Values& items, const Values& keys, bool reverse) {
  std::vector<std::size_t> order(items.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  if (reverse) std::reverse(order.begin(), order.end());
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return less(runtime, keys[a], keys[b]); });
  if (reverse) std::reverse(order.begin(), order.end());
  Values out;
  for (const std::size_t i : order) out.push_back(items[i]);
  return out;
}

Value sort(Runtime& runtime, const Value& value, Given given) {
  const Bound bound(runtime, "sort", given, {"reverse", "case_sensitive", "attribute"});
  std::vector<AttributePath> paths;
  if (bound[2].is_text()) {
    const std::string& text = bound.text(2);
    for (std::size_t begin = 0; begin <= text.size();) {
      const std::size_t end = std::min(text.find(',', begin), text.size());
      paths.emplace_back(runtime, runtime.text(text.substr(begin, end - begin)));
      begin = end + 1;
    }
  } else {
    paths.emplace_back(runtime, bound[2]);
  }
  const Values items = to_values(runtime, value);
  Values keys;
  for (const Value& item : items) {
    Values key;
    for (const AttributePath& path : paths) {
      Value part = path.of(runtime, item);
      key.push_back(bound.flag(1) ? part : ignoring_case(runtime, part));
    }
    keys.push_back(runtime.list(std::move(key)));
  }
  return runtime.list(sorted(runtime, items, keys, bound.flag(0)));
}

Value dict_sort(Runtime& runtime, const Value& value, Given given) {
  const Bound bound(runtime, "dictsort", given, {"case_sensitive", "by", "reverse"});
  const std::string by = bound.get(1) ? str(runtime, bound[1]) : "key";
  if (by != "key" && by != "value") runtime.fail("dictsort: you can only sort by either \"key\" or \"value\"");
  if (!value.is(Kind::dict)) {
    if (value.is_undefined()) runtime.fail(value.text());
    runtime.fail(fmt::format("dictsort takes a dict, not {}", type_name(value)));
  }
  Values items;
  Values keys;
  for (const auto& [key, item] : value.as<Dict>().entries) {
    items.push_back(runtime.tuple({key, item}));
    const Value& part = by == "key" ? key : item;
    keys.push_back(bound.flag(0) ? part : ignoring_case(runtime, part));
  }
  return runtime.list(sorted(runtime, items, keys, bound.flag(2)));
}

Value group_by(Runtime& runtime, const Value& value, Given given) {
  const Bound bound(runtime, "groupby", given, {"attribute", "default", "case_sensitive"}, 1);
  const AttributePath path(runtime, bound[0]);
  const Value* absent = bound.get(1) && !bound[1].is_none() ? bound.get(1) : nullptr;
  const auto key_of = [&](const Value& item) { return path.of(runtime, item, absent); };
  const auto compared = [&](const Value& key) { return bound.flag(2) ? key : ignoring_case(runtime, key); };
  Values items = to_values(runtime, value);
  Values keys;
  for (const Value& item : items) keys.push_back(compared(key_of(item)));
  items = sorted(runtime, items, keys, false);
  Values groups, group;
  Value key;
  const auto flush = [&] {
    if (group.empty()) return;
    const Value shown = bound.flag(2) ? key : key_of(group[0]);
    Value pair = runtime.tuple({shown, runtime.list(std::exchange(group, {}))});
    pair.as<Sequence>().group = true;
    groups.push_back(std::move(pair));
  };
  for (const Value& item : items) {
    Value next = compared(key_of(item));
    if (!group.empty() && !equal(runtime, key, next)) flush();
    if (group.empty()) key = std::move(next);
    group.push_back(item);
  }
  flush();
  return runtime.list(std::move(groups));
}

Value join(Runtime& runtime, const Value& value, Given given) {
  const Bound bound(runtime, "join", given, {"d", "attribute"});
  const std::string between = bound.get(0) ? str(runtime, bound[0]) : "";
  const AttributePath path(runtime, bound[1]);
  std::string out;
  bool first = true;
  Iterator iterator(runtime, value);
  while (auto item = iterator.next(runtime)) {
    if (!first) runtime.append(out, between);
    first = false;
    runtime.append(out, str(runtime, path.of(runtime, std::move(*item))));
  }
  return runtime.text(std::move(out));
}

Value list(Runtime& runtime, const Value& value, Given given) {
  const Bound none(runtime, "list", given, {});
  return runtime.list(to_values(runtime, value));
}

Value first(Runtime& runtime, const Value& value, Given given) {
  const Bound none(runtime, "first", given, {});
  Iterator iterator(runtime, value);
  if (auto item = iterator.next(runtime)) return std::move(*item);
  return Value::undefined("No first item, sequence was empty.");
}

Value last(Runtime& runtime, const Value& value, Given given) {
  const Bound none(runtime, "last", given, {});
  if (!length_of(value)) runtime.fail(fmt::format("'{}' object is not reversible", type_name(value)));
  if (value.is(Kind::text) || value.is(Kind::range) || value.is(Kind::list) || value.is(Kind::tuple)) {
    const Value item = item_of(runtime, value, Value::integer(-1));
    return item.is_undefined() ? Value::undefined("No last item, sequence was empty.") : item;
  }
  Values items = to_values(runtime, value);
  return items.empty() ? Value::undefined("No last item, sequence was empty.") : std::move(items.back());
}

Value reverse(Runtime& runtime, const Value& value, Given given) {
  const Bound none(runtime, "reverse", given, {});
  if (value.is_text()) return slice_of(runtime, value, Value(), Value(), Value::integer(-1));
  Values items = to_values(runtime, value);
  std::reverse(items.begin(), items.end());
  if (value.is(Kind::iterator)) return runtime.list(std::move(items));
  return runtime.generator([items = std::move(items), at = std::size_t{0}](Runtime&) mutable {
    return at < items.size() ? std::optional(items[at++]) : std::nullopt;
  });
}

// One of them, whichever.
Value random(Runtime& runtime, const Value& value, Given given) {
  const Bound none(runtime, "random", given, {});
  if (value.is(Kind::view) || !length_of(value))
    runtime.fail(fmt::format("object of type '{}' is no sequence", type_name(value)));
  if (*length_of(value) == 0) return Value::undefined("No random item, sequence was empty.");
  thread_local std::mt19937 dice{std::random_device{}()};
  Value item = item_of(runtime, value, Value::integer(static_cast<Int>(dice() % *length_of(value))));
  if (item.is_undefined()) runtime.fail(item.text());  // a dict without that key
  return item;
}

Value sum(Runtime& runtime, const Value& value, Given given) {
  const Bound bound(runtime, "sum", given, {"attribute", "start"});
  const AttributePath path(runtime, bound[0]);
  Value total = bound.get(1) ? bound[1] : Value::integer(0);
  if (total.is_text()) runtime.fail("sum() can't sum strings [use ''.join(seq) instead]");
  Iterator iterator(runtime, value);
  while (auto item = iterator.next(runtime))
    total = arithmetic(runtime, Arithmetic::add, total, path.of(runtime, std::move(*item)));
  return total;
}

template <bool largest>
Value extreme(Runtime& runtime, const Value& value, Given given) {
  const Bound bound(runtime, largest ? "max" : "min", given, {"case_sensitive", "attribute"});
  const AttributePath path(runtime, bound[1]);
  Iterator iterator(runtime, value);
  std::optional<Value> best;
  Value best_key;
  while (auto item = iterator.next(runtime)) {
    Value key = path.of(runtime, *item);
    if (!bound.flag(0)) key = ignoring_case(runtime, key);
    if (best && !(largest ? less(runtime, best_key, key) : less(runtime, key, best_key))) continue;
    best = std::move(item);
    best_key = std::move(key);
  }
  return best ? std::move(*best) : Value::undefined("No aggregated item, sequence was empty.");
}

constexpr Filter table[] = {
    {"sort", sort}, {"dictsort", dict_sort}, {"groupby", group_by},  {"join", join},
    {"list", list}, {"first", first},        {"last", last},         {"reverse", reverse},
    {"sum", sum},   {"min", extreme<false>}, {"max", extreme<true>}, {"random", random},
};

}  // namespace

std::span<const Filter> sequence_filters() {
  return table;
}

}  // namespace hearth::text::jinja
