// Runs a parsed template.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "text/jinja/runtime.h"
#include "text/jinja/syntax.h"

namespace hearth::text::jinja {

// The variables of a block, over those around it.
struct Scope : Object {
  Value* find(Symbol symbol) {
    for (auto& [name, value] : variables)
      if (name == symbol) return &value;
    return nullptr;
  }
  void set(Symbol symbol, Value value) {
    if (Value* old = find(symbol)) {
      const Value dropped = std::exchange(*old, std::move(value));
      return;
    }
    variables.emplace_back(symbol, std::move(value));
  }
  void clear() override { variables.clear(); }

  std::shared_ptr<Scope> around;
  const std::vector<Symbol>* hidden = nullptr;
  std::vector<std::pair<Symbol, Value>> variables;
};

class Evaluator {
 public:
  // `context`: the values of the symbols, where the context has them.
  Evaluator(Runtime& runtime, const Syntax& syntax, std::vector<std::optional<Value>> context);
  std::string run();

 private:
  friend struct Macro;
  friend struct Loop;
  enum class Flow { on, next, stop };
  class Enter;

  // Statements.
  Flow run(const Body& body, std::string& out);
  Flow run(const Statement& statement, std::string& out);
  Flow branch(const Statement& statement, std::string& out);
  Flow capture(const Statement& statement);
  Flow filtered(const Statement& statement, std::string& out);
  Flow with(const Statement& statement, std::string& out);
  Flow scoped(const Statement& statement, std::string& out);
  Flow loop(const Statement& statement, const Value& iterable, Int depth, std::string& out);
  Value passing(const Statement& statement, const Value& iterable);  // what the loop's `if` lets through
  void output(const Statement& statement, std::string& out);
  void write(const Value& made, std::string& out);
  void call_block(const Statement& statement, std::string& out);
  Value macro(const Statement& statement);
  Value invoke(const Statement& macro, const std::shared_ptr<Scope>& around, Arguments& arguments);
  void assign(const Expression& target, Value value);

  // Expressions.
  Value evaluate(const Expression& expression);
  Value name(Symbol symbol);
  Value list(const Expression& expression);
  Value dict(const Expression& expression);
  Value item(const Expression& expression);
  Value slice(const Expression& expression);
  Value call(const Expression& expression, const Value* caller);
  Value filter(const Expression& expression);
  Value test(const Expression& expression);
  Value arithmetic(const Expression& expression);
  Value concat(const Expression& expression);
  Value compare(const Expression& expression);
  Value choice(const Expression& expression);
  Arguments arguments(const Expression& expression);

  std::shared_ptr<Scope> scope(std::shared_ptr<Scope> around, const std::vector<Symbol>* hidden);

  Runtime& runtime_;
  const Syntax& syntax_;
  std::vector<std::optional<Value>> context_;
  std::shared_ptr<Scope> root_, scope_;
  std::optional<Value> piped_;  // what a block gives to its filter
  Symbol loop_, caller_, kwargs_, varargs_;
};

}  // namespace hearth::text::jinja
