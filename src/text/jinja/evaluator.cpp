#include "text/jinja/evaluator.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/show.h"

namespace hearth::text::jinja {

std::shared_ptr<Scope> Evaluator::scope(std::shared_ptr<Scope> around, const std::vector<Symbol>* hidden) {
  auto made = runtime_.own(std::make_unique<Scope>(), 256);
  made->around = std::move(around);
  made->hidden = hidden;
  return made;
}

Value Evaluator::name(Symbol symbol) {
  for (Scope* at = scope_.get(); at; at = at->around.get()) {
    runtime_.step(at->variables.size() / 64);
    if (const Value* found = at->find(symbol)) return *found;
    if (at->hidden && std::binary_search(at->hidden->begin(), at->hidden->end(), symbol))
      return Value::undefined(fmt::format("'{}' is undefined", syntax_.symbols[static_cast<std::size_t>(symbol)]));
  }
  const auto& given = context_[static_cast<std::size_t>(symbol)];
  if (given) return *given;
  return Value::undefined(fmt::format("'{}' is undefined", syntax_.symbols[static_cast<std::size_t>(symbol)]));
}

Value Evaluator::evaluate(const Expression& e) {
  runtime_.step();
  switch (e.op) {
    case Op::constant:
      return e.value;
    case Op::name:
    case Op::space_item:
      return name(e.symbol);
    default:
      break;
  }
  const Runtime::Level level(runtime_);
  runtime_.line = e.line;
  switch (e.op) {
    case Op::list:
    case Op::tuple:
      return list(e);
    case Op::dict:
      return dict(e);
    case Op::attribute: {
      const Value of = evaluate(*e.items[0]);
      runtime_.line = e.line;
      return attribute_of(runtime_, of, e.text);
    }
    case Op::item:
      return item(e);
    case Op::slice:
      return slice(e);
    case Op::call:
      return call(e, nullptr);
    case Op::filter:
      return filter(e);
    case Op::test:
      return test(e);
    case Op::negation:
      return Value::boolean(!truthy(evaluate(*e.items[0])));
    case Op::minus:
      return negative(runtime_, evaluate(*e.items[0]));
    case Op::plus:
      return positive(runtime_, evaluate(*e.items[0]));
    case Op::arithmetic:
      return arithmetic(e);
    case Op::concat:
      return concat(e);
    case Op::compare:
      return compare(e);
    case Op::all:
    case Op::any:
      for (std::size_t i = 0;; ++i) {
        Value value = evaluate(*e.items[i]);
        if (i + 1 == e.items.size() || truthy(value) == (e.op == Op::any)) return value;
      }
    default:
      return choice(e);
  }
}

Value Evaluator::list(const Expression& e) {
  Values values;
  values.reserve(e.items.size());
  for (const auto& item : e.items) values.push_back(evaluate(*item));
  return e.op == Op::list ? runtime_.list(std::move(values)) : runtime_.tuple(std::move(values));
}

Value Evaluator::dict(const Expression& e) {
  auto made = std::make_unique<Dict>();
  for (std::size_t i = 0; i < e.items.size(); i += 2) {
    Value key = evaluate(*e.items[i]);
    Value value = evaluate(*e.items[i + 1]);
    runtime_.line = e.line;
    made->set(runtime_, std::move(key), std::move(value));
  }
  return runtime_.dict(std::move(made));
}

Value Evaluator::item(const Expression& e) {
  const Value of = evaluate(*e.items[0]);
  const Value key = evaluate(*e.items[1]);
  runtime_.line = e.line;
  return item_of(runtime_, of, key);
}

Value Evaluator::slice(const Expression& e) {
  const Value of = evaluate(*e.items[0]);
  Value bounds[3];
  for (std::size_t i = 0; i < 3; ++i)
    if (e.items[i + 1]) bounds[i] = evaluate(*e.items[i + 1]);
  runtime_.line = e.line;
  return slice_of(runtime_, of, bounds[0], bounds[1], bounds[2]);
}

Arguments Evaluator::arguments(const Expression& e) {
  Arguments out;
  std::size_t at = 1;
  out.positional.reserve(e.positional);
  for (; at <= e.positional; ++at) out.positional.push_back(evaluate(*e.items[at]));
  for (const std::string& named : e.named) out.named.emplace_back(named, evaluate(*e.items[at++]));
  if (e.star) {
    Values more = to_values(runtime_, evaluate(*e.items[at++]));
    out.positional.insert(out.positional.end(), more.begin(), more.end());
  }
  if (e.double_star) {
    const Value more = evaluate(*e.items[at]);
    if (!more.is(Kind::dict)) runtime_.fail("argument after ** must be a mapping");
    for (const auto& [key, value] : more.as<Dict>().entries) {
      if (!key.is_text()) runtime_.fail("keywords must be strings");
      runtime_.step();
      out.named.emplace_back(key.text(), value);
    }
  }
  return out;
}

Value Evaluator::call(const Expression& e, const Value* caller) {
  const Value callee = evaluate(*e.items[0]);
  Arguments given = arguments(e);
  if (caller) given.named.emplace_back("caller", *caller);
  runtime_.line = e.line;
  return jinja::call(runtime_, callee, given);
}

Value Evaluator::filter(const Expression& e) {
  const Value subject = e.items[0] ? evaluate(*e.items[0]) : *piped_;
  const Arguments given = arguments(e);
  runtime_.line = e.line;
  if (!e.filter) runtime_.fail(fmt::format("no filter named '{}'", e.text.substr(0, 80)));
  return e.filter->apply(runtime_, subject, given);
}

Value Evaluator::test(const Expression& e) {
  const Value subject = evaluate(*e.items[0]);
  const Arguments given = arguments(e);
  runtime_.line = e.line;
  if (!e.test) runtime_.fail(fmt::format("no test named '{}'", e.text.substr(0, 80)));
  return Value::boolean(e.test->holds(runtime_, subject, given));
}

Value Evaluator::arithmetic(const Expression& e) {
  Value left = evaluate(*e.items[0]);
  for (std::size_t i = 0; i < e.how.size(); ++i) {
    const Value right = evaluate(*e.items[i + 1]);
    runtime_.line = e.line;
    left = jinja::arithmetic(runtime_, static_cast<Arithmetic>(e.how[i]), left, right);
  }
  return left;
}

Value Evaluator::concat(const Expression& e) {
  std::string out;
  for (const auto& item : e.items) runtime_.append(out, str(runtime_, evaluate(*item)));
  return runtime_.text(std::move(out));
}

Value Evaluator::compare(const Expression& e) {
  Value left = evaluate(*e.items[0]);
  for (std::size_t i = 0; i < e.how.size(); ++i) {
    Value right = evaluate(*e.items[i + 1]);
    runtime_.line = e.line;
    bool holds = false;
    switch (static_cast<Comparison>(e.how[i])) {
      case Comparison::equal:
        holds = equal(runtime_, left, right);
        break;
      case Comparison::unequal:
        holds = !equal(runtime_, left, right);
        break;
      case Comparison::less:
        holds = ordered(runtime_, Order::less, left, right);
        break;
      case Comparison::less_equal:
        holds = ordered(runtime_, Order::less_equal, left, right);
        break;
      case Comparison::greater:
        holds = ordered(runtime_, Order::greater, left, right);
        break;
      case Comparison::greater_equal:
        holds = ordered(runtime_, Order::greater_equal, left, right);
        break;
      case Comparison::in:
        holds = contains(runtime_, right, left);
        break;
      case Comparison::not_in:
        holds = !contains(runtime_, right, left);
        break;
    }
    if (!holds) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Value Evaluator::choice(const Expression& e) {
  if (truthy(evaluate(*e.items[1]))) return evaluate(*e.items[0]);
  if (e.items[2]) return evaluate(*e.items[2]);
  return Value::undefined("the inline if-expression evaluated to false and no else section was defined");
}

}  // namespace hearth::text::jinja
