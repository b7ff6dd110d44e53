#include "text/jinja/runtime.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace hearth::text::jinja {

void Heap::bury(Object* object) noexcept {
  object->next_dead = dead_;
  dead_ = object;
  if (burying_) return;
  burying_ = true;
  while (dead_) {
    Object* const next = dead_;
    dead_ = next->next_dead;
    live -= next->bytes;
    delete next;
  }
  burying_ = false;
}

Runtime::~Runtime() {
  const auto mutables = std::move(heap_.mutables);
  for (const auto& weak : mutables)
    if (const auto object = weak.lock()) object->clear();
}

void Runtime::fail(std::string_view what) const {
  throw Error(Code::bad_input, what, fmt::format("template line {}", line));
}

void Runtime::too_many_steps() const {
  throw Error(Code::bad_input, fmt::format("the template takes more than {} steps", limits_.steps),
              fmt::format("template line {}", line));
}

void Runtime::too_long() const {
  fail(fmt::format("the template makes a text of more than {} bytes", limits_.output));
}

void Runtime::too_deep() const {
  fail(fmt::format("the template nests more than {} deep", limits_.depth));
}

void Runtime::take(std::size_t bytes) {
  const std::size_t most = std::max<std::size_t>(4 * limits_.output, 1 << 20);
  if (bytes > most - std::min(heap_.live, most)) fail(fmt::format("the template needs more than {} bytes", most));
  heap_.live += bytes;
}

void Runtime::remember(const std::shared_ptr<Object>& object) {
  auto& all = heap_.mutables;
  if (all.size() >= heap_.prune_at) {
    all.erase(std::remove_if(all.begin(), all.end(), [](const auto& weak) { return weak.expired(); }), all.end());
    heap_.prune_at = 64 + 2 * all.size();
  }
  all.push_back(object);
}

Value Runtime::text(std::string value, bool markup) {
  may_make(static_cast<Int>(value.size()));
  work(value.size());
  const std::size_t bytes = value.size() + sizeof(Text) + 64;
  return Value::of(Kind::text, own(std::make_unique<Text>(std::move(value), markup), bytes));
}

Value Runtime::sequence(Kind kind, Values values) {
  const std::size_t bytes = values.size() * sizeof(Value) + sizeof(Sequence);
  return Value::of(kind, own(std::make_unique<Sequence>(std::move(values)), bytes));
}

Value Runtime::view(const char* name, Values values) {
  Value made = sequence(Kind::view, std::move(values));
  made.as<Sequence>().name = name;
  return made;
}

Value Runtime::dict(std::unique_ptr<Dict> dict) {
  const std::size_t bytes = dict->entries.size() * (2 * sizeof(Value) + 24) + sizeof(Dict);
  return Value::of(Kind::dict, own(std::move(dict), bytes));
}

Value Runtime::generator(Generator::Next next) {
  return Value::of(Kind::iterator, thing(std::make_unique<Generator>(std::move(next))));
}

Value Runtime::function(std::string name, Function::Body body) {
  return Value::of(Kind::thing, own(std::make_unique<Function>(std::move(name), std::move(body)), 256));
}

}  // namespace hearth::text::jinja
