#include "text/jinja/value.h"

#include <fmt/format.h>

#include "text/jinja/operators.h"
#include "text/jinja/runtime.h"
#include "text/jinja/show.h"
#include "text/jinja/unicode.h"

namespace hearth::text::jinja {

Text::Text(std::string text_value, bool safe)
    : value(std::move(text_value)), length(code_points(value)), markup(safe) {}

Value Value::undefined(std::string message) {
  return of(Kind::undefined, std::make_shared<Text>(std::move(message)));
}

Value Value::boolean(bool value) {
  Value made;
  made.kind_ = Kind::boolean;
  made.integer_ = value;
  return made;
}

Value Value::integer(Int value) {
  Value made;
  made.kind_ = Kind::integer;
  made.integer_ = value;
  return made;
}

Value Value::floating(double value) {
  Value made;
  made.kind_ = Kind::floating;
  made.floating_ = value;
  return made;
}

Value Value::text(std::string value) {
  return of(Kind::text, std::make_shared<Text>(std::move(value)));
}

const std::string& Value::text() const {
  return as<Text>().value;
}

Int Range::size() const {
  if (step > 0) return start < stop ? (stop - start + step - 1) / step : 0;
  return start > stop ? (start - stop - step - 1) / -step : 0;
}

template <class Same>
std::size_t Dict::slot(std::size_t hash, const Same& same) const {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = (hash ^ hash >> 17) & mask;; at = (at + 1) & mask) {
    const std::uint32_t entry = slots_[at];
    if (entry == 0 || (hashes_[entry - 1] == hash && same(entries[entry - 1].first))) return at;
  }
}

void Dict::grow(std::size_t slots) {
  slots_.assign(slots, 0);
  for (std::size_t i = 0; i < entries.size(); ++i)
    slots_[slot(hashes_[i], [](const Value&) { return false; })] = static_cast<std::uint32_t>(i + 1);
}

const Value* Dict::find(Runtime& runtime, const Value& key) const {
  const std::size_t hash = hash_of(runtime, key);
  if (entries.empty()) return nullptr;
  const auto entry = slots_[slot(hash, [&](const Value& other) { return equal(runtime, other, key); })];
  return entry == 0 ? nullptr : &entries[entry - 1].second;
}

const Value* Dict::find(std::string_view key) const {
  if (entries.empty()) return nullptr;
  const auto same = [&](const Value& other) { return other.is_text() && other.text() == key; };
  const auto entry = slots_[slot(std::hash<std::string_view>()(key), same)];
  return entry == 0 ? nullptr : &entries[entry - 1].second;
}

void Dict::set(Runtime& runtime, Value key, Value value) {
  const std::size_t hash = hash_of(runtime, key);
  if (2 * (entries.size() + 1) > slots_.size()) grow(slots_.empty() ? 8 : 2 * slots_.size());
  const std::size_t at = slot(hash, [&](const Value& other) { return equal(runtime, other, key); });
  if (slots_[at] != 0) {
    entries[slots_[at] - 1].second = std::move(value);
    return;
  }
  runtime.step();
  entries.emplace_back(std::move(key), std::move(value));
  hashes_.push_back(hash);
  slots_[at] = static_cast<std::uint32_t>(entries.size());
}

Value Thing::call(Runtime& runtime, Arguments&) {
  runtime.fail(fmt::format("'{}' object is not callable", type()));
}

std::string Thing::show(Runtime&) {
  return fmt::format("<{}>", type());
}

std::optional<Value> Space::attribute(Runtime& runtime, std::string_view name) {
  runtime.step(attributes.size() / 64);
  for (const auto& [key, value] : attributes)
    if (key == name) return value;
  return std::nullopt;
}

std::string Space::show(Runtime& runtime) {
  std::string out = "<Namespace {";
  for (const auto& [key, value] : attributes) {
    if (out.back() != '{') out.append(", ");
    runtime.append(out, quote(key) + ": ");
    runtime.append(out, repr(runtime, value));
  }
  return out + "}>";
}

void Space::set(Runtime& runtime, std::string_view name, Value value) {
  runtime.step(attributes.size() / 64);
  for (auto& [key, old] : attributes)
    if (key == name) {
      const Value dropped = std::exchange(old, std::move(value));
      return;
    }
  const std::size_t more = name.size() + sizeof(attributes[0]);
  runtime.take(more);
  bytes += more;
  attributes.emplace_back(name, std::move(value));
}

std::string_view type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
      return "Undefined";
    case Kind::none:
      return "NoneType";
    case Kind::boolean:
      return "bool";
    case Kind::integer:
      return "int";
    case Kind::floating:
      return "float";
    case Kind::text:
      return "str";
    case Kind::list:
      return "list";
    case Kind::tuple:
      return "tuple";
    case Kind::dict:
      return "dict";
    case Kind::range:
      return "range";
    case Kind::view:
      return value.as<Sequence>().name;
    case Kind::iterator:
      return "generator";
    case Kind::thing:
      return value.as<Thing>().type();
  }
  return "object";
}

std::optional<std::size_t> length_of(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
      return 0;
    case Kind::text:
      return value.as<Text>().length;
    case Kind::list:
    case Kind::tuple:
    case Kind::view:
      return value.as<Sequence>().items.size();
    case Kind::dict:
      return value.as<Dict>().entries.size();
    case Kind::range:
      return static_cast<std::size_t>(value.as<Range>().size());
    default:
      return std::nullopt;
  }
}

bool truthy(const Value& value) {
  switch (value.kind()) {
    case Kind::none:
      return false;
    case Kind::boolean:
    case Kind::integer:
      return value.integer() != 0;
    case Kind::floating:
      return value.floating() != 0;
    default:
      return length_of(value).value_or(1) != 0;
  }
}

bool iterable(const Value& value) {
  return length_of(value).has_value() || value.is(Kind::iterator);
}

Iterator::Iterator(Runtime& runtime, Value source) : source_(std::move(source)) {
  if (!iterable(source_)) runtime.fail(fmt::format("'{}' object is not iterable", type_name(source_)));
}

std::optional<Value> Iterator::next(Runtime& runtime) {
  runtime.step();
  switch (source_.kind()) {
    case Kind::text: {
      const std::string& text = source_.text();
      if (at_ >= text.size()) return std::nullopt;
      const std::size_t begin = at_;
      decode(text, at_);
      return runtime.text(text.substr(begin, at_ - begin));
    }
    case Kind::list:
    case Kind::tuple:
    case Kind::view: {
      const Values& items = source_.as<Sequence>().items;
      if (at_ >= items.size()) return std::nullopt;
      return items[at_++];
    }
    case Kind::dict: {
      const auto& entries = source_.as<Dict>().entries;
      if (at_ >= entries.size()) return std::nullopt;
      return entries[at_++].first;
    }
    case Kind::range: {
      const auto& range = source_.as<Range>();
      if (static_cast<Int>(at_) >= range.size()) return std::nullopt;
      return Value::integer(range.start + static_cast<Int>(at_++) * range.step);
    }
    case Kind::iterator: {
      const Runtime::Level level(runtime);
      auto& generator = source_.as<Generator>();
      if (!generator.next) return std::nullopt;
      auto value = generator.next(runtime);
      if (!value) generator.next = nullptr;
      return value;
    }
    default:
      return std::nullopt;  // undefined
  }
}

Values to_values(Runtime& runtime, const Value& source) {
  Values values;
  Iterator iterator(runtime, source);
  while (auto value = iterator.next(runtime)) values.push_back(std::move(*value));
  return values;
}

}  // namespace hearth::text::jinja
