#include "text/jinja/globals.h"

#include <fmt/format.h>

#include <ctime>

#include "base/error.h"
#include "text/jinja/arguments.h"
#include "text/jinja/show.h"

namespace hearth::text::jinja {

namespace {

constexpr Int longest_range = 100000;  // as Jinja's sandbox

Value range(Runtime& runtime, Arguments& arguments) {
  const Bound bound(runtime, "range", arguments, {"", "", ""}, 1);
  const Int first = bound.integer(0, 0);
  const bool one = bound.get(1) == nullptr;
  const Int start = one ? 0 : first, stop = one ? first : bound.integer(1, 0), step = bound.integer(2, 1);
  constexpr Int far = Int{1} << 100;
  for (const Int number : {start, stop, step})
    if (number > far || number < -far) runtime.fail("an integer is too large");
  if (step == 0) runtime.fail("range() arg 3 must not be zero");
  auto made = std::make_unique<Range>(start, stop, step);
  if (made->size() > longest_range)
    runtime.fail(fmt::format("range too big: the sandbox blocks ranges larger than {}", longest_range));
  return Value::of(Kind::range, runtime.own(std::move(made), sizeof(Range)));
}

std::unique_ptr<Dict> dict_of(Runtime& runtime, std::string_view callee, Arguments& arguments) {
  if (arguments.positional.size() > 1) runtime.fail(fmt::format("{} expected at most 1 argument", callee));
  auto made = std::make_unique<Dict>();
  for (const Value& source : arguments.positional) {
    if (source.is(Kind::dict)) {
      for (const auto& [key, value] : source.as<Dict>().entries) made->set(runtime, key, value);
      continue;
    }
    for (const Value& pair : to_values(runtime, source)) {
      Values both = to_values(runtime, pair);
      if (both.size() != 2) runtime.fail("dictionary update sequence elements have length 2");
      made->set(runtime, std::move(both[0]), std::move(both[1]));
    }
  }
  for (auto& [name, value] : arguments.named) made->set(runtime, runtime.text(name), value);
  return made;
}

Value make_dict(Runtime& runtime, Arguments& arguments) {
  return runtime.dict(dict_of(runtime, "dict", arguments));
}

Value make_namespace(Runtime& runtime, Arguments& arguments) {
  const auto entries = dict_of(runtime, "namespace", arguments);
  auto space = runtime.thing(std::make_unique<Space>());
  for (const auto& [key, value] : entries->entries)
    if (key.is_text()) space->set(runtime, key.text(), value);
  return Value::of(Kind::thing, space);
}

struct Cycler : Thing {
  explicit Cycler(Values values) : items(std::move(values)) {}
  std::string_view type() const override { return "Cycler"; }
  std::optional<Value> attribute(Runtime& runtime, std::string_view name) override {
    if (name == "current") return items.empty() ? Value() : items[at];
    if (name != "next" && name != "reset") return std::nullopt;
    const auto self = std::static_pointer_cast<Cycler>(me.lock());
    return runtime.function(std::string(name), [self, next = name == "next"](Runtime&, Arguments&) {
      if (self->items.empty()) return Value();
      Value current = self->items[self->at];
      self->at = next ? (self->at + 1) % self->items.size() : 0;
      return next ? current : Value();
    });
  }
  void clear() override { items.clear(); }
  Values items;
  std::size_t at = 0;
  std::weak_ptr<Object> me;
};

Value make_cycler(Runtime& runtime, Arguments& arguments) {
  if (arguments.positional.empty()) runtime.fail("at least one item has to be provided");
  auto cycler =
      runtime.thing(std::make_unique<Cycler>(arguments.positional), 256 + arguments.positional.size() * sizeof(Value));
  cycler->me = cycler;
  return Value::of(Kind::thing, cycler);
}

Value make_joiner(Runtime& runtime, Arguments& arguments) {
  const Bound bound(runtime, "joiner", arguments, {"sep"});
  const Value separator = bound.get(0) ? bound[0] : runtime.text(", ");
  return runtime.function("joiner", [separator, used = false](Runtime& r, Arguments&) mutable {
    return std::exchange(used, true) ? separator : r.text("");
  });
}

Value raise_exception(Runtime& runtime, Arguments& arguments) {
  const Bound bound(runtime, "raise_exception", arguments, {"message"}, 1);
  throw Error(Code::bad_input, str(runtime, bound[0]), fmt::format("raised in template line {}", runtime.line));
}

Value strftime_now(Runtime& runtime, Arguments& arguments) {
  const Bound bound(runtime, "strftime_now", arguments, {"format"}, 1);
  const std::time_t now = runtime.now() >= 0 ? static_cast<std::time_t>(runtime.now()) : std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  const std::string& format = bound.text(0);
  if (format.size() > 1000) runtime.fail("strftime_now: the format is too long");
  if (format.empty()) return runtime.text("");
  std::string out(format.size() * 64 + 256, '\0');
  out.resize(std::strftime(out.data(), out.size(), (format + " ").c_str(), &local));
  if (!out.empty()) out.pop_back();  // the space, which tells an empty result from a failure
  return runtime.text(std::move(out));
}

struct Entry {
  std::string_view name;
  Value (*body)(Runtime&, Arguments&);
};
constexpr Entry table[] = {
    {"range", range},
    {"dict", make_dict},
    {"namespace", make_namespace},
    {"cycler", make_cycler},
    {"joiner", make_joiner},
    {"raise_exception", raise_exception},
    {"strftime_now", strftime_now},
};

}  // namespace

std::optional<Value> global(Runtime& runtime, std::string_view name) {
  for (const Entry& entry : table)
    if (entry.name == name) return runtime.function(std::string(name), entry.body);
  return std::nullopt;
}

}  // namespace hearth::text::jinja
