#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/parser.h"

namespace hearth::text::jinja {

ExpressionPtr Parser::make(Op op, std::uint32_t line, std::vector<ExpressionPtr> items) {
  auto made = std::make_unique<Expression>();
  made->op = op;
  made->line = line;
  made->items = std::move(items);
  return finish(std::move(made));
}

ExpressionPtr Parser::finish(ExpressionPtr made) {
  for (const auto& item : made->items)
    if (item) made->height = std::max(made->height, item->height + 1);
  if (made->height > most_nested) fail("an expression nests too deeply");
  return made;
}

namespace {

std::vector<ExpressionPtr> items_of(ExpressionPtr first) {
  std::vector<ExpressionPtr> items;
  items.push_back(std::move(first));
  return items;
}

}  // namespace

ExpressionPtr Parser::expression(bool with_choice) {
  const Level level(*this);
  const std::uint32_t line = current().line;
  ExpressionPtr out = any();
  while (with_choice && skip_name("if")) {
    auto items = items_of(std::move(out));
    items.push_back(any());
    items.push_back(skip_name("else") ? expression() : nullptr);
    out = make(Op::choice, line, std::move(items));
  }
  return out;
}

ExpressionPtr Parser::any() {
  const std::uint32_t line = current().line;
  ExpressionPtr first = all();
  if (!is_name("or")) return first;
  auto items = items_of(std::move(first));
  while (skip_name("or")) items.push_back(all());
  return make(Op::any, line, std::move(items));
}

ExpressionPtr Parser::all() {
  const std::uint32_t line = current().line;
  ExpressionPtr first = negation();
  if (!is_name("and")) return first;
  auto items = items_of(std::move(first));
  while (skip_name("and")) items.push_back(negation());
  return make(Op::all, line, std::move(items));
}

ExpressionPtr Parser::negation() {
  const std::uint32_t line = current().line;
  if (!skip_name("not")) return compare();
  const Level level(*this);
  return make(Op::negation, line, items_of(negation()));
}

ExpressionPtr Parser::compare() {
  const std::uint32_t line = current().line;
  ExpressionPtr first = binary(0);
  std::vector<std::uint8_t> how;
  std::vector<ExpressionPtr> items;
  for (;;) {
    std::optional<Comparison> comparison;
    if (is(TokenType::sign)) {
      const std::string& sign = current().text;
      if (sign == "==") comparison = Comparison::equal;
      if (sign == "!=") comparison = Comparison::unequal;
      if (sign == "<") comparison = Comparison::less;
      if (sign == "<=") comparison = Comparison::less_equal;
      if (sign == ">") comparison = Comparison::greater;
      if (sign == ">=") comparison = Comparison::greater_equal;
    } else if (is_name("in")) {
      comparison = Comparison::in;
    } else if (is_name("not") && look().type == TokenType::name && look().text == "in") {
      comparison = Comparison::not_in;
      take();
    }
    if (!comparison) break;
    take();
    how.push_back(static_cast<std::uint8_t>(*comparison));
    items.push_back(binary(0));
  }
  if (how.empty()) return first;
  items.insert(items.begin(), std::move(first));
  ExpressionPtr out = make(Op::compare, line, std::move(items));
  out->how = std::move(how);
  return out;
}

// 0: + -   1: ~   2: * / // %   3: **; all of them from the left.
ExpressionPtr Parser::binary(int precedence) {
  if (precedence == 4) return unary();
  const std::uint32_t line = current().line;
  const auto here = [&]() -> std::optional<Arithmetic> {
    if (!is(TokenType::sign)) return std::nullopt;
    const std::string& sign = current().text;
    if (precedence == 0 && sign == "+") return Arithmetic::add;
    if (precedence == 0 && sign == "-") return Arithmetic::subtract;
    if (precedence == 1 && sign == "~") return Arithmetic::add;
    if (precedence == 2 && sign == "*") return Arithmetic::multiply;
    if (precedence == 2 && sign == "/") return Arithmetic::divide;
    if (precedence == 2 && sign == "//") return Arithmetic::floor_divide;
    if (precedence == 2 && sign == "%") return Arithmetic::modulo;
    if (precedence == 3 && sign == "**") return Arithmetic::power;
    return std::nullopt;
  };
  ExpressionPtr first = binary(precedence + 1);
  auto operation = here();
  if (!operation) return first;
  auto items = items_of(std::move(first));
  std::vector<std::uint8_t> how;
  for (; operation; operation = here()) {
    take();
    how.push_back(static_cast<std::uint8_t>(*operation));
    items.push_back(binary(precedence + 1));
  }
  ExpressionPtr out = make(precedence == 1 ? Op::concat : Op::arithmetic, line, std::move(items));
  out->how = std::move(how);
  return out;
}

ExpressionPtr Parser::unary(bool with_filters) {
  const std::uint32_t line = current().line;
  ExpressionPtr out;
  if (is_sign("-") || is_sign("+")) {
    const Level level(*this);
    const Op op = take().text == "-" ? Op::minus : Op::plus;
    out = make(op, line, items_of(unary(false)));
  } else {
    out = primary();
  }
  out = postfix(std::move(out));
  return with_filters ? filters(std::move(out)) : std::move(out);
}

ExpressionPtr Parser::primary(bool with_space_item) {
  const std::uint32_t line = current().line;
  const auto constant = [&](Value value) {
    ExpressionPtr out = make(Op::constant, line);
    out->value = std::move(value);
    return out;
  };
  switch (current().type) {
    case TokenType::name: {
      const std::string name = take().text;
      if (name == "true" || name == "True") return constant(Value::boolean(true));
      if (name == "false" || name == "False") return constant(Value::boolean(false));
      if (name == "none" || name == "None") return constant(Value());
      ExpressionPtr out = make(Op::name, line);
      out->symbol = syntax_.symbol(name);
      if (with_space_item && skip_sign(".")) {
        out->op = Op::space_item;
        out->text = expect_any_name();
      }
      return out;
    }
    case TokenType::string: {
      std::string text;
      while (is(TokenType::string)) text += take().text;
      return constant(Value::text(std::move(text)));
    }
    case TokenType::integer:
    case TokenType::floating:
      return constant(take().number);
    default:
      break;
  }
  if (is_sign("[")) return list();
  if (is_sign("{")) return dict();
  if (skip_sign("(")) {
    ExpressionPtr out = tuple({.parenthesised = true});
    expect_sign(")");
    return out;
  }
  fail(fmt::format("unexpected {}", shown()));
}

ExpressionPtr Parser::tuple(TupleRules rules) {
  std::uint32_t line = current().line;
  std::vector<ExpressionPtr> items;
  bool is_tuple = false;
  for (;;) {
    if (!items.empty()) expect_sign(",");
    if (is(TokenType::variable_end) || is(TokenType::block_end) || is_sign(")") ||
        (!rules.ends.empty() && is_name(rules.ends)))
      break;
    items.push_back(rules.target ? primary(rules.with_space_item) : expression(rules.with_choice));
    if (!is_sign(",")) break;
    is_tuple = true;
    line = current().line;
  }
  if (!is_tuple) {
    if (!items.empty()) return std::move(items[0]);
    if (!rules.parenthesised) fail(fmt::format("expected an expression, got {}", shown()));
  }
  return make(Op::tuple, line, std::move(items));
}

void Parser::check_target(const Expression& target) const {
  if (target.op == Op::name || target.op == Op::space_item) return;
  if (target.op != Op::tuple) syntax_error("can't assign to this expression", target.line);
  for (const auto& item : target.items) check_target(*item);
}

ExpressionPtr Parser::target(std::string_view ends, bool with_space_item) {
  ExpressionPtr out = tuple({.target = true, .with_space_item = with_space_item, .ends = ends});
  check_target(*out);
  return out;
}

ExpressionPtr Parser::list() {
  const std::uint32_t line = take().line;
  std::vector<ExpressionPtr> items;
  while (!is_sign("]")) {
    if (!items.empty()) expect_sign(",");
    if (is_sign("]")) break;
    items.push_back(expression());
  }
  take();
  return make(Op::list, line, std::move(items));
}

ExpressionPtr Parser::dict() {
  const std::uint32_t line = take().line;
  std::vector<ExpressionPtr> items;
  while (!is_sign("}")) {
    if (!items.empty()) expect_sign(",");
    if (is_sign("}")) break;
    items.push_back(expression());
    expect_sign(":");
    items.push_back(expression());
  }
  take();
  return make(Op::dict, line, std::move(items));
}

ExpressionPtr Parser::postfix(ExpressionPtr out) {
  for (;;) {
    if (is_sign(".") || is_sign("["))
      out = subscript(std::move(out));
    else if (is_sign("("))
      out = call(std::move(out));
    else
      return out;
  }
}

ExpressionPtr Parser::filters(ExpressionPtr out) {
  for (;;) {
    if (skip_sign("|"))
      out = filter(std::move(out));
    else if (is_name("is"))
      out = test(std::move(out));
    else if (is_sign("("))
      out = call(std::move(out));
    else
      return out;
  }
}

ExpressionPtr Parser::subscript(ExpressionPtr of) {
  const Token token = take();
  if (token.text == "[") return subscribed(std::move(of));
  if (is(TokenType::name)) {
    ExpressionPtr out = make(Op::attribute, token.line, items_of(std::move(of)));
    out->text = take().text;
    return out;
  }
  if (!is(TokenType::integer)) fail("expected name or number");
  auto items = items_of(std::move(of));
  ExpressionPtr index = make(Op::constant, token.line);
  index->value = take().number;
  items.push_back(std::move(index));
  return make(Op::item, token.line, std::move(items));
}

ExpressionPtr Parser::subscribed(ExpressionPtr of) {
  const std::uint32_t line = current().line;
  auto items = items_of(std::move(of));
  std::vector<ExpressionPtr> keys;
  bool comma = false;
  const auto at_end = [&] { return is_sign("]") || is_sign(",") || is_sign(":"); };
  while (!is_sign("]")) {
    if (!keys.empty()) expect_sign(",");
    comma |= !keys.empty();
    ExpressionPtr start = is_sign(":") ? nullptr : expression();
    if (!is_sign(":")) {
      keys.push_back(std::move(start));
      continue;
    }
    take();
    if (comma) fail("a slice among several subscripts");
    items.push_back(std::move(start));
    items.push_back(at_end() ? nullptr : expression());
    items.push_back(skip_sign(":") && !at_end() ? expression() : nullptr);
    expect_sign("]");
    return make(Op::slice, line, std::move(items));
  }
  take();
  items.push_back(keys.size() == 1 ? std::move(keys[0]) : make(Op::tuple, line, std::move(keys)));
  return make(Op::item, line, std::move(items));
}

void Parser::arguments(Expression& to) {
  const std::uint32_t line = current().line;
  const auto ensure = [&](bool good) {
    if (!good) syntax_error("invalid syntax for function call expression", line);
  };
  ExpressionPtr star, double_star;
  expect_sign("(");
  bool comma = false;
  while (!is_sign(")")) {
    if (comma) {
      expect_sign(",");
      if (is_sign(")")) break;
    }
    comma = true;
    if (skip_sign("*")) {
      ensure(!star && !double_star);
      star = expression();
    } else if (skip_sign("**")) {
      ensure(!double_star);
      double_star = expression();
    } else if (is(TokenType::name) && look().type == TokenType::sign && look().text == "=") {
      ensure(!double_star);
      to.named.push_back(take().text);
      take();
      to.items.push_back(expression());
    } else {
      ensure(!star && !double_star && to.named.empty());
      to.items.push_back(expression());
      ++to.positional;
    }
  }
  take();
  to.star = star != nullptr;
  to.double_star = double_star != nullptr;
  if (star) to.items.push_back(std::move(star));
  if (double_star) to.items.push_back(std::move(double_star));
}

ExpressionPtr Parser::call(ExpressionPtr callee) {
  ExpressionPtr out = make(Op::call, current().line, items_of(std::move(callee)));
  arguments(*out);
  return finish(std::move(out));
}

ExpressionPtr Parser::filter(ExpressionPtr of) {
  const std::uint32_t line = current().line;
  ExpressionPtr out = make(Op::filter, line, items_of(std::move(of)));
  out->text = expect_any_name();
  while (skip_sign(".")) out->text += "." + expect_any_name();
  out->filter = find_filter(out->text);
  if (is_sign("(")) arguments(*out);
  return finish(std::move(out));
}

ExpressionPtr Parser::test(ExpressionPtr of) {
  const std::uint32_t line = take().line;
  const bool negated = skip_name("not");
  ExpressionPtr out = make(Op::test, line, items_of(std::move(of)));
  out->text = expect_any_name();
  while (skip_sign(".")) out->text += "." + expect_any_name();
  out->test = find_test(out->text);
  const bool literal =
      is(TokenType::string) || is(TokenType::integer) || is(TokenType::floating) || is_sign("[") || is_sign("{");
  if (is_sign("(")) {
    arguments(*out);
  } else if (literal || (is(TokenType::name) && !is_name("else") && !is_name("or") && !is_name("and"))) {
    if (is_name("is")) fail("tests cannot be chained with 'is'");
    out->items.push_back(postfix(primary()));
    out->positional = 1;
  }
  out = finish(std::move(out));
  return negated ? make(Op::negation, line, items_of(std::move(out))) : std::move(out);
}

}  // namespace hearth::text::jinja
