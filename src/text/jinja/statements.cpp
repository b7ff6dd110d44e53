// Statements: what they write, and the variables they set.
#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/evaluator.h"
#include "text/jinja/globals.h"
#include "text/jinja/loop.h"
#include "text/jinja/show.h"

namespace hearth::text::jinja {

// Makes a scope the current one, for as long as it lives.
class Evaluator::Enter {
 public:
  Enter(Evaluator& evaluator, std::shared_ptr<Scope> scope)
      : evaluator_(evaluator), before_(std::exchange(evaluator.scope_, std::move(scope))) {}
  ~Enter() { evaluator_.scope_ = std::move(before_); }
  Enter(const Enter&) = delete;
  Enter& operator=(const Enter&) = delete;

 private:
  Evaluator& evaluator_;
  std::shared_ptr<Scope> before_;
};

struct Macro : Thing {
  Macro(Evaluator& owner, const Statement& macro, std::shared_ptr<Scope> scope)
      : evaluator(owner), statement(macro), around(std::move(scope)) {}
  std::string_view type() const override { return "Macro"; }
  bool callable() const override { return true; }
  std::string show(Runtime&) override { return fmt::format("<Macro {}>", quote(statement.text)); }
  Value call(Runtime&, Arguments& arguments) override { return evaluator.invoke(statement, around, arguments); }
  std::optional<Value> attribute(Runtime& runtime, std::string_view name) override {
    if (name == "name") return runtime.text(statement.text);
    if (name == "catch_kwargs") return Value::boolean(statement.kwargs);
    if (name == "catch_varargs") return Value::boolean(statement.varargs);
    if (name == "caller") return Value::boolean(statement.caller);
    if (name != "arguments") return std::nullopt;
    Values names;
    for (const Parameter& parameter : statement.parameters) names.push_back(runtime.text(parameter.name));
    return runtime.tuple(std::move(names));
  }
  void clear() override { around.reset(); }

  Evaluator& evaluator;
  const Statement& statement;
  std::shared_ptr<Scope> around;
};

Evaluator::Evaluator(Runtime& runtime, const Syntax& syntax, std::vector<std::optional<Value>> context)
    : runtime_(runtime), syntax_(syntax), context_(std::move(context)) {
  for (std::size_t i = 0; i < context_.size(); ++i)
    if (!context_[i]) context_[i] = global(runtime, syntax.symbols[i]);
  const auto number = [&](const char* name) { return syntax.numbers.at(name); };
  loop_ = number("loop");
  caller_ = number("caller");
  kwargs_ = number("kwargs");
  varargs_ = number("varargs");
}

std::string Evaluator::run() {
  root_ = scope_ = scope(nullptr, &syntax_.hidden);
  std::string out;
  run(syntax_.body, out);
  return out;
}

Evaluator::Flow Evaluator::run(const Body& body, std::string& out) {
  const Runtime::Level level(runtime_);
  for (const auto& statement : body)
    if (const Flow flow = run(*statement, out); flow != Flow::on) return flow;
  return Flow::on;
}

Evaluator::Flow Evaluator::run(const Statement& statement, std::string& out) {
  runtime_.step();
  runtime_.line = statement.line;
  switch (statement.what) {
    case Do::data:
      runtime_.append(out, statement.text);
      return Flow::on;
    case Do::output:
      output(statement, out);
      return Flow::on;
    case Do::assign:
      assign(*statement.target, evaluate(*statement.expressions[0]));
      return Flow::on;
    case Do::capture:
      return capture(statement);
    case Do::branch:
      return branch(statement, out);
    case Do::loop:
      return loop(statement, evaluate(*statement.expressions[0]), 0, out);
    case Do::macro:
      scope_->set(statement.symbol, macro(statement));
      return Flow::on;
    case Do::call:
      call_block(statement, out);
      return Flow::on;
    case Do::filter:
      return filtered(statement, out);
    case Do::with:
      return with(statement, out);
    case Do::scope:
      return scoped(statement, out);
    case Do::next:
      return Flow::next;
    case Do::stop:
      return Flow::stop;
    case Do::refuse:
      break;
  }
  runtime_.fail(statement.text);
}

void Evaluator::output(const Statement& statement, std::string& out) {
  for (const auto& expression : statement.expressions) {
    const Value value = evaluate(*expression);
    if (value.is_text())
      runtime_.append(out, value.text());
    else
      runtime_.append(out, str(runtime_, value));
  }
}

Evaluator::Flow Evaluator::branch(const Statement& statement, std::string& out) {
  for (const Branch& branch : statement.branches)
    if (!branch.condition || truthy(evaluate(*branch.condition))) return run(branch.body, out);
  return Flow::on;
}

Evaluator::Flow Evaluator::capture(const Statement& statement) {
  std::string text;
  Value value;
  {
    const Enter inside(*this, scope(scope_, &statement.hidden));
    if (const Flow flow = run(statement.body, text); flow != Flow::on) return flow;
    value = runtime_.text(std::move(text));
    if (statement.expressions[0]) {
      piped_ = std::move(value);
      value = evaluate(*statement.expressions[0]);
    }
  }
  assign(*statement.target, std::move(value));
  return Flow::on;
}

Evaluator::Flow Evaluator::filtered(const Statement& statement, std::string& out) {
  const Enter inside(*this, scope(scope_, &statement.hidden));
  std::string text;
  if (const Flow flow = run(statement.body, text); flow != Flow::on) return flow;
  piped_ = runtime_.text(std::move(text));
  write(evaluate(*statement.expressions[0]), out);
  return Flow::on;
}

Evaluator::Flow Evaluator::with(const Statement& statement, std::string& out) {
  Values values;
  for (const auto& expression : statement.expressions) values.push_back(evaluate(*expression));
  const Enter inside(*this, scope(scope_, &statement.hidden));
  for (std::size_t i = 0; i < values.size(); ++i) assign(*statement.targets[i], std::move(values[i]));
  return run(statement.body, out);
}

Evaluator::Flow Evaluator::scoped(const Statement& statement, std::string& out) {
  const Enter inside(*this, scope(statement.outermost ? root_ : scope_, &statement.hidden));
  return run(statement.body, out);
}

void Evaluator::assign(const Expression& target, Value value) {
  if (target.op == Op::name) {
    runtime_.step(scope_->variables.size() / 64);
    return scope_->set(target.symbol, std::move(value));
  }
  runtime_.line = target.line;
  if (target.op == Op::space_item) {
    const Value space = name(target.symbol);
    if (!space.is(Kind::thing) || space.as<Thing>().type() != "Namespace")
      runtime_.fail("cannot assign attribute on non-namespace object");
    return space.as<Space>().set(runtime_, target.text, std::move(value));
  }
  const Values values = to_values(runtime_, value);
  if (values.size() != target.items.size())
    runtime_.fail(fmt::format("{} values to unpack, expected {}", values.size(), target.items.size()));
  for (std::size_t i = 0; i < values.size(); ++i) assign(*target.items[i], values[i]);
}

Value Evaluator::passing(const Statement& statement, const Value& iterable) {
  if (!statement.expressions[1]) return iterable;
  auto iterator = std::make_shared<Iterator>(runtime_, iterable);
  return runtime_.generator([this, iterator, &statement, around = scope_](Runtime& r) -> std::optional<Value> {
    const Enter inside(*this, scope(around, nullptr));
    while (auto item = iterator->next(r)) {
      assign(*statement.target, *item);
      if (truthy(evaluate(*statement.expressions[1]))) return item;
    }
    return std::nullopt;
  });
}

Evaluator::Flow Evaluator::loop(const Statement& statement, const Value& iterable, Int depth, std::string& out) {
  const Value source = passing(statement, iterable);
  std::shared_ptr<Loop> context;
  std::optional<Iterator> plain;
  if (statement.uses_loop) {
    context = runtime_.thing(std::make_unique<Loop>(runtime_, source, depth));
    context->me = context;
    if (statement.recursive)
      context->recurse = [this, &statement, around = scope_](Runtime& r, const Value& items, Int deeper) {
        const Runtime::Level level(r);
        const Enter inside(*this, around);
        std::string text;
        loop(statement, items, deeper, text);
        return r.text(std::move(text));
      };
  } else {
    plain.emplace(runtime_, source);
  }
  bool finished_one = false;
  while (auto item = context ? context->advance(runtime_) : plain->next(runtime_)) {
    const Enter inside(*this, scope(scope_, &statement.hidden));
    if (context) scope_->set(loop_, Value::of(Kind::thing, context));
    assign(*statement.target, std::move(*item));
    const Flow flow = run(statement.body, out);
    if (flow == Flow::stop) break;
    finished_one |= flow == Flow::on;  // as in Jinja, whose `continue` leaves the else branch in force
  }
  if (finished_one || statement.otherwise.empty()) return Flow::on;
  const Enter inside(*this, scope(scope_, &statement.hidden_otherwise));
  return run(statement.otherwise, out);
}

Value Evaluator::macro(const Statement& statement) {
  return Value::of(Kind::thing, runtime_.thing(std::make_unique<Macro>(*this, statement, scope_)));
}

// What a filter or call block makes has to be a text.
void Evaluator::write(const Value& made, std::string& out) {
  if (!made.is_text()) runtime_.fail(fmt::format("the block makes a {}, not a str", type_name(made)));
  runtime_.append(out, made.text());
}

void Evaluator::call_block(const Statement& statement, std::string& out) {
  const Value caller = macro(statement);
  write(call(*statement.expressions[0], &caller), out);
}

Value Evaluator::invoke(const Statement& macro, const std::shared_ptr<Scope>& around, Arguments& arguments) {
  const Runtime::Level level(runtime_);
  if (!around) runtime_.fail("the macro is gone");
  const std::uint32_t line = runtime_.line;
  const Enter inside(*this, scope(around, &macro.hidden));
  auto& named = arguments.named;
  const auto take = [&](std::string_view name) -> std::optional<Value> {
    runtime_.step(named.size() / 64);
    const auto found = std::find_if(named.begin(), named.end(), [&](const auto& given) { return given.first == name; });
    if (found == named.end()) return std::nullopt;
    Value value = std::move(found->second);
    named.erase(found);
    return value;
  };
  const std::size_t count = macro.parameters.size();
  const std::size_t given = std::min(count, arguments.positional.size());
  bool found_caller = false;
  std::vector<std::optional<Value>> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (i < given)
      values[i] = arguments.positional[i];
    else
      values[i] = take(macro.parameters[i].name);
    found_caller |= macro.parameters[i].symbol == caller_ && (i >= given || given == count);
  }
  if (macro.caller && !found_caller) {
    const auto caller = take("caller");
    scope_->set(caller_, caller ? *caller : Value::undefined("no caller defined"));
  }
  if (macro.kwargs) {
    auto rest = std::make_unique<Dict>();
    for (auto& [name, value] : named) rest->set(runtime_, runtime_.text(name), std::move(value));
    scope_->set(kwargs_, runtime_.dict(std::move(rest)));
  } else if (!named.empty()) {
    runtime_.fail(fmt::format("macro '{}' takes no keyword argument '{}'", macro.text, named[0].first.substr(0, 80)));
  }
  if (macro.varargs) {
    scope_->set(varargs_, runtime_.tuple(Values(arguments.positional.begin() + static_cast<std::ptrdiff_t>(given),
                                                arguments.positional.end())));
  } else if (arguments.positional.size() > count) {
    runtime_.fail(fmt::format("macro '{}' takes not more than {} arguments", macro.text, count));
  }
  for (std::size_t i = 0; i < count; ++i) {
    const Parameter& parameter = macro.parameters[i];
    if (!values[i])
      values[i] = parameter.absent ? evaluate(*parameter.absent)
                                   : Value::undefined(fmt::format("parameter '{}' was not provided", parameter.name));
    scope_->set(parameter.symbol, std::move(*values[i]));
  }
  std::string out;
  run(macro.body, out);
  runtime_.line = line;
  return runtime_.text(std::move(out));
}

}  // namespace hearth::text::jinja
