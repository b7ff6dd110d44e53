// What Jinja's compiler finds out about names. A name that a scope sets, and has not read before, is undefined there
// until it is set, whatever the context holds; inner scopes see it so too. [jinja2 idtracking.py]
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <unordered_map>
#include <unordered_set>

#include "text/jinja/lexer.h"
#include "text/jinja/syntax.h"

namespace hearth::text::jinja {

namespace {

enum class Load : std::uint8_t { parameter, outside, alias, undefined };

// The names of a scope; a branch of an `if` is a layer over the scope it stands in.
struct Layer {
  const Layer* base = nullptr;   // the same scope, around the branch
  const Layer* outer = nullptr;  // the scope around
  std::unordered_map<Symbol, Load> loads;
  std::unordered_set<Symbol> stores;

  const Layer* around() const {
    const Layer* layer = this;
    while (layer->base) layer = layer->base;
    return layer->outer;
  }
  bool known_here(Symbol name) const {
    for (const Layer* layer = this; layer; layer = layer->base)
      if (layer->loads.count(name)) return true;
    return false;
  }
  bool known(Symbol name) const {
    for (const Layer* layer = this; layer; layer = layer->around())
      if (layer->known_here(name)) return true;
    return false;
  }
  bool known_around(Symbol name) const {
    const Layer* layer = around();
    return layer && layer->known(name);
  }
  bool stored(Symbol name) const {
    for (const Layer* layer = this; layer; layer = layer->base)
      if (layer->stores.count(name)) return true;
    return false;
  }

  void declare(Symbol name) {
    stores.insert(name);
    loads[name] = Load::parameter;
  }
  void store(Symbol name) {
    stores.insert(name);
    if (!known_here(name)) loads[name] = known_around(name) ? Load::alias : Load::undefined;
  }
  void load(Symbol name) {
    if (!known(name)) loads[name] = Load::outside;
  }
  void merge(std::initializer_list<const Layer*> branches) {
    std::unordered_set<Symbol> fresh;
    for (const Layer* branch : branches)
      for (const Symbol name : branch->stores)
        if (!stored(name)) fresh.insert(name);
    for (const Layer* branch : branches) {
      for (const auto& [name, how] : branch->loads) loads[name] = how;
      stores.insert(branch->stores.begin(), branch->stores.end());
    }
    for (const Symbol name : fresh) loads[name] = known_around(name) ? Load::alias : Load::outside;
  }
  std::vector<Symbol> hidden() const {
    std::vector<Symbol> names;
    for (const auto& [name, how] : loads)
      if (how == Load::undefined) names.push_back(name);
    std::sort(names.begin(), names.end());
    return names;
  }
};

// Calls see(symbol, is_store) for the names of a body, in their order, until it returns false.
using See = std::function<bool(Symbol, bool)>;
bool each_name(const Body& body, const See& see);

bool each_name(const Expression* expression, bool store, const See& see) {
  if (!expression) return true;
  if (expression->op == Op::name) return see(expression->symbol, store);
  for (const auto& item : expression->items)
    if (!each_name(item.get(), store, see)) return false;
  return true;
}

bool each_name(const Statement& statement, const See& see) {
  const auto expression = [&](const ExpressionPtr& e, bool store) { return each_name(e.get(), store, see); };
  bool go = true;
  if (statement.what == Do::loop) go = expression(statement.target, true);
  for (const auto& target : statement.targets) go = go && expression(target, true);
  if (statement.what == Do::capture || statement.what == Do::assign) go = go && expression(statement.target, true);
  for (const Parameter& parameter : statement.parameters)
    go = go && see(parameter.symbol, true) && expression(parameter.absent, false);
  const bool test_last = statement.what == Do::loop;
  for (std::size_t i = 0; i < statement.expressions.size() && !(test_last && i == 1); ++i)
    go = go && expression(statement.expressions[i], false);
  for (const Branch& branch : statement.branches)
    go = go && expression(branch.condition, false) && each_name(branch.body, see);
  go = go && each_name(statement.body, see) && each_name(statement.otherwise, see);
  if (test_last) go = go && expression(statement.expressions[1], false);
  return go;
}

bool each_name(const Body& body, const See& see) {
  for (const auto& statement : body)
    if (!each_name(*statement, see)) return false;
  return true;
}

bool reads(const Body& body, Symbol symbol) {
  bool read = false;
  each_name(body, [&](Symbol name, bool store) {
    if (name != symbol) return true;
    read = !store;
    return false;
  });
  return read;
}

class Analysis {
 public:
  explicit Analysis(Syntax& syntax)
      : loop_(syntax.symbol("loop")),
        caller_(syntax.symbol("caller")),
        kwargs_(syntax.symbol("kwargs")),
        varargs_(syntax.symbol("varargs")) {}

  void run(Syntax& syntax) {
    Layer layer;
    visit(layer, syntax.body);
    syntax.hidden = layer.hidden();
    inner(layer, syntax.body, false);
  }

 private:
  // Names that belong to the scope itself.
  void visit(Layer& layer, const Expression* expression) {
    if (!expression) return;
    if (expression->op == Op::name || expression->op == Op::space_item) layer.load(expression->symbol);
    for (const auto& item : expression->items) visit(layer, item.get());
  }
  void store(Layer& layer, const Expression& target, bool parameter) {
    if (target.op == Op::name)
      parameter ? layer.declare(target.symbol) : layer.store(target.symbol);
    else if (target.op == Op::space_item)
      layer.load(target.symbol);
    else
      for (const auto& item : target.items) store(layer, *item, parameter);
  }
  void visit(Layer& layer, const Body& body) {
    for (const auto& statement : body) visit(layer, *statement);
  }
  void visit(Layer& layer, const Statement& statement) {
    switch (statement.what) {
      case Do::assign:
        visit(layer, statement.expressions[0].get());
        return store(layer, *statement.target, false);
      case Do::capture:
        return store(layer, *statement.target, false);
      case Do::branch:
        return branches(layer, statement);
      case Do::loop:
        return visit(layer, statement.expressions[0].get());
      case Do::macro:
        return layer.store(statement.symbol);
      default:
        for (const auto& expression : statement.expressions) visit(layer, expression.get());
    }
  }
  static Layer over(const Layer& layer) {
    Layer made;
    made.base = &layer;
    return made;
  }
  void branches(Layer& layer, const Statement& statement) {
    visit(layer, statement.branches[0].condition.get());
    Layer first = over(layer), middle = over(layer), last = over(layer);
    visit(first, statement.branches[0].body);
    for (std::size_t i = 1; i < statement.branches.size(); ++i) {
      const Branch& branch = statement.branches[i];
      if (!branch.condition) {
        visit(last, branch.body);
        continue;
      }
      visit(middle, branch.condition.get());
      Layer body = over(middle);
      visit(body, branch.body);
      middle.merge({&body});
    }
    layer.merge({&first, &middle, &last});
  }

  // The scopes inside a scope whose own names are known. `soft`: in an `if`, where an unknown filter is an error only
  // when it is reached.
  void inner(const Layer& layer, Body& body, bool soft) {
    for (auto& statement : body) inner(layer, *statement, soft);
  }
  void inner(const Layer& layer, Statement& statement, bool soft) {
    for (std::size_t i = 0; i < statement.expressions.size(); ++i)
      check(statement.expressions[i].get(), soft && !(statement.what == Do::loop && i == 1));
    for (const Parameter& parameter : statement.parameters) check(parameter.absent.get(), false);
    for (Branch& branch : statement.branches) {
      check(branch.condition.get(), true);
      inner(layer, branch.body, true);
    }
    if (statement.what == Do::branch) return;
    if (statement.what == Do::loop) forbid_loop(statement);
    if (statement.body.empty() && statement.otherwise.empty()) return;
    Layer scope;
    scope.outer = statement.outermost ? nullptr : &layer;
    if (statement.what == Do::loop) {
      statement.uses_loop = statement.recursive || reads(statement.body, loop_);
      if (statement.uses_loop) scope.declare(loop_);
      store(scope, *statement.target, true);
      Layer otherwise;
      otherwise.outer = &layer;
      visit(otherwise, statement.otherwise);
      statement.hidden_otherwise = otherwise.hidden();
      inner(otherwise, statement.otherwise, false);
    }
    if (statement.what == Do::macro || statement.what == Do::call) {
      for (const Parameter& parameter : statement.parameters) scope.declare(parameter.symbol);
      for (const Parameter& parameter : statement.parameters) visit(scope, parameter.absent.get());
      specials(scope, statement);
    }
    for (const auto& target : statement.targets) store(scope, *target, true);
    visit(scope, statement.body);
    statement.hidden = scope.hidden();
    inner(scope, statement.body, false);
  }

  void specials(Layer& scope, Statement& macro) {
    const auto find = [&](Symbol symbol) {
      const Parameter* found = nullptr;
      for (const Parameter& parameter : macro.parameters)
        if (parameter.symbol == symbol) found = &parameter;
      return found;
    };
    const auto special = [&](Symbol symbol) {
      if (!reads(macro.body, symbol)) return false;
      if (!find(symbol)) scope.declare(symbol);
      return true;
    };
    macro.caller = special(caller_);
    if (const Parameter* parameter = find(caller_); macro.caller && parameter && !parameter->absent)
      syntax_error("the parameter 'caller' must have a default", macro.line);
    macro.kwargs = special(kwargs_) && !find(kwargs_);
    macro.varargs = special(varargs_) && !find(varargs_);
  }

  void forbid_loop(const Statement& loop) {
    const See see = [&](Symbol name, bool store) {
      if (store && name == loop_) syntax_error("can't assign to the special variable 'loop' in a loop", loop.line);
      return true;
    };
    each_name(loop, see);
  }

  static void check(const Expression* expression, bool soft) {
    if (!expression) return;
    if (!soft && expression->op == Op::filter && !expression->filter)
      syntax_error(fmt::format("no filter named '{}'", expression->text.substr(0, 80)), expression->line);
    if (!soft && expression->op == Op::test && !expression->test)
      syntax_error(fmt::format("no test named '{}'", expression->text.substr(0, 80)), expression->line);
    for (const auto& item : expression->items) check(item.get(), soft || expression->op == Op::choice);
  }

  Symbol loop_, caller_, kwargs_, varargs_;
};

}  // namespace

void analyse(Syntax& syntax) {
  Analysis(syntax).run(syntax);
}

}  // namespace hearth::text::jinja
