// A parsed template.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "text/jinja/filters.h"
#include "text/jinja/operators.h"
#include "text/jinja/value.h"

namespace hearth::text::jinja {

using Symbol = int;  // a variable's name, by number

enum class Op : std::uint8_t {
  constant,
  name,
  list,
  tuple,
  dict,       // items: key, value, key, value ...
  attribute,  // items[0].text
  item,       // items[0][items[1]]
  slice,      // items[0][items[1]:items[2]:items[3]], null where not given
  call,       // items[0](...)
  filter,     // items[0] | text(...); items[0] is null where a block is filtered
  test,       // items[0] is text(...)
  negation,   // not
  minus,
  plus,
  arithmetic,  // items[0] how[0] items[1] how[1] items[2] ... of one precedence
  concat,      // ~
  compare,     // a < b < c
  all,         // and
  any,         // or
  choice,      // items[0] if items[1] else items[2], null where not given
  space_item   // target only: name.text of a namespace
};

enum class Comparison : std::uint8_t { equal, unequal, less, less_equal, greater, greater_equal, in, not_in };

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

struct Expression {
  Op op = Op::constant;
  std::uint32_t line = 1;
  std::uint32_t height = 1;  // of the tree
  Symbol symbol = -1;
  std::string text;
  Value value;
  std::vector<ExpressionPtr> items;
  std::vector<std::uint8_t> how;  // Arithmetic or Comparison
  // Arguments of call, filter and test, after items[0]: positional, named, *list, **dict.
  std::size_t positional = 0;
  std::vector<std::string> named;
  bool star = false, double_star = false;
  const Filter* filter = nullptr;
  const Test* test = nullptr;
};

enum class Do : std::uint8_t {
  data,     // text
  output,   // expressions
  assign,   // target = expressions[0]
  capture,  // {% set target | filter %}body{% endset %}
  branch,   // if: branches
  loop,     // for target in expressions[0] if expressions[1]
  macro,
  call,    // {% call(args) expressions[0] %}
  filter,  // {% filter %}
  with,    // targets = expressions
  scope,   // {% generation %}, {% block %}
  next,    // continue
  stop,    // break
  refuse   // what needs other templates: an error when it is reached
};

struct Statement;
using Body = std::vector<std::unique_ptr<Statement>>;

struct Branch {
  ExpressionPtr condition;  // null: else
  Body body;
};

struct Parameter {
  Symbol symbol;
  std::string name;
  ExpressionPtr absent;  // its default
};

struct Statement {
  Do what = Do::data;
  std::uint32_t line = 1;
  std::string text;
  Symbol symbol = -1;  // of a macro
  ExpressionPtr target;
  std::vector<ExpressionPtr> targets, expressions;
  std::vector<Branch> branches;
  std::vector<Parameter> parameters;
  Body body, otherwise;
  bool recursive = false;
  bool outermost = false;  // {% block %}: sees the template's own variables only
  // What the analysis finds:
  bool uses_loop = false;                                // for: the body looks at `loop`
  bool caller = false, kwargs = false, varargs = false;  // macro: the body looks at these
  // Names that are set in the body before they are read there: until then they hide the context's. Sorted. [scopes.cpp]
  std::vector<Symbol> hidden, hidden_otherwise;
};

struct Syntax {
  Body body;
  std::vector<Symbol> hidden;
  std::vector<std::string> symbols;
  std::unordered_map<std::string, Symbol> numbers;

  Symbol symbol(const std::string& name) {
    const auto [found, fresh] = numbers.try_emplace(name, static_cast<Symbol>(symbols.size()));
    if (fresh) symbols.push_back(name);
    return found->second;
  }
};

// Throws bad_input with line and fault.
Syntax parse(std::string_view source);

// Fills in what the analysis finds. [scopes.cpp]
void analyse(Syntax& syntax);

}  // namespace hearth::text::jinja
