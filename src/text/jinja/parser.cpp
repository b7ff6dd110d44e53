#include "text/jinja/parser.h"

#include <fmt/format.h>

#include <algorithm>

namespace hearth::text::jinja {

Token Parser::take() {
  Token token = tokens_[at_];
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool Parser::skip_sign(std::string_view sign) {
  if (!is_sign(sign)) return false;
  take();
  return true;
}

bool Parser::skip_name(std::string_view name) {
  if (!is_name(name)) return false;
  take();
  return true;
}

std::string Parser::shown() const {
  switch (current().type) {
    case TokenType::name:
    case TokenType::sign:
      return fmt::format("'{}'", current().text);
    case TokenType::string:
      return "a string";
    case TokenType::integer:
    case TokenType::floating:
      return "a number";
    case TokenType::block_end:
      return "'%}'";
    case TokenType::variable_end:
      return "'}}'";
    case TokenType::end:
      return "the end of the template";
    default:
      return "text";
  }
}

void Parser::expect_sign(std::string_view sign) {
  if (!skip_sign(sign)) fail(fmt::format("expected '{}', got {}", sign, shown()));
}

void Parser::expect_name(std::string_view name) {
  if (!skip_name(name)) fail(fmt::format("expected '{}', got {}", name, shown()));
}

void Parser::expect(TokenType type, std::string_view what) {
  if (!is(type)) fail(fmt::format("expected {}, got {}", what, shown()));
  take();
}

std::string Parser::expect_any_name() {
  if (!is(TokenType::name)) fail(fmt::format("expected a name, got {}", shown()));
  return take().text;
}

Syntax Parser::run() {
  syntax_.body = body({});
  if (!is(TokenType::end)) fail(fmt::format("unexpected {}", shown()));
  analyse(syntax_);
  return std::move(syntax_);
}

Parser::StatementPtr Parser::make(Do what) const {
  auto made = std::make_unique<Statement>();
  made->what = what;
  made->line = current().line;
  return made;
}

Body Parser::body(Names ends) {
  const Level level(*this);
  Body out;
  while (!is(TokenType::end)) {
    if (is(TokenType::data)) {
      auto data = make(Do::data);
      data->text = take().text;
      out.push_back(std::move(data));
    } else if (is(TokenType::variable_begin)) {
      auto output = make(Do::output);
      take();
      output->expressions.push_back(tuple({}));
      expect(TokenType::variable_end, "'}}'");
      out.push_back(std::move(output));
    } else {
      expect(TokenType::block_begin, "a tag");
      if (is(TokenType::name) && std::find(ends.begin(), ends.end(), current().text) != ends.end()) return out;
      out.push_back(statement(ends));
      expect(TokenType::block_end, "'%}'");
    }
  }
  if (ends.size() > 0) fail(fmt::format("the template ends where '{}' was expected", *(ends.end() - 1)));
  return out;
}

Body Parser::block(Names ends) {
  skip_sign(":");
  expect(TokenType::block_end, "'%}'");
  return body(ends);
}

Body Parser::block_to(std::string_view end) {
  Body out = block({end});
  take();
  return out;
}

Parser::StatementPtr Parser::statement(Names ends) {
  if (!is(TokenType::name)) fail(fmt::format("expected the name of a tag, got {}", shown()));
  const std::string& tag = current().text;
  if (tag == "if") return parse_if();
  if (tag == "for") return parse_for();
  if (tag == "set") return parse_set();
  if (tag == "macro") return parse_macro();
  if (tag == "call") return parse_call();
  if (tag == "filter") return parse_filter();
  if (tag == "with") return parse_with();
  if (tag == "generation") return parse_scope("endgeneration");
  if (tag == "block") return parse_block();
  if (tag == "print") return parse_print();
  if (tag == "break" || tag == "continue") return parse_jump();
  if (tag == "extends" || tag == "include" || tag == "import" || tag == "from" || tag == "autoescape")
    return parse_refused();
  const std::string expected = ends.size() > 0 ? fmt::format(", expected '{}'", *(ends.end() - 1)) : "";
  fail(fmt::format("unknown tag '{}'{}", tag.substr(0, 40), expected));
}

Parser::StatementPtr Parser::parse_if() {
  auto made = make(Do::branch);
  do {
    take();  // if, elif
    Branch branch;
    branch.condition = tuple({.with_choice = false});
    branch.body = block({"elif", "else", "endif"});
    made->branches.push_back(std::move(branch));
  } while (is_name("elif"));
  if (skip_name("else")) made->branches.push_back({nullptr, block({"endif"})});
  take();
  return made;
}

Parser::StatementPtr Parser::parse_for() {
  auto made = make(Do::loop);
  take();
  made->target = target("in", false);
  expect_name("in");
  made->expressions.push_back(tuple({.with_choice = false, .ends = "recursive"}));
  made->expressions.push_back(skip_name("if") ? expression() : nullptr);
  made->recursive = skip_name("recursive");
  ++loops_;
  made->body = block({"endfor", "else"});
  --loops_;
  if (skip_name("else")) made->otherwise = block({"endfor"});
  take();
  return made;
}

Parser::StatementPtr Parser::parse_set() {
  auto made = make(Do::assign);
  take();
  made->target = target("", true);
  if (skip_sign("=")) {
    made->expressions.push_back(tuple({}));
    return made;
  }
  made->what = Do::capture;
  ExpressionPtr filtered;
  while (skip_sign("|")) filtered = filter(std::move(filtered));
  made->expressions.push_back(std::move(filtered));
  made->body = block_to("endset");
  return made;
}

void Parser::signature(Statement& macro) {
  expect_sign("(");
  while (!is_sign(")")) {
    if (!macro.parameters.empty()) expect_sign(",");
    if (macro.parameters.size() == 1000) fail("a macro of more than 1000 parameters");
    Parameter parameter{-1, expect_any_name(), nullptr};
    parameter.symbol = syntax_.symbol(parameter.name);
    if (skip_sign("="))
      parameter.absent = expression();
    else if (!macro.parameters.empty() && macro.parameters.back().absent)
      fail("non-default argument follows default argument");
    for (const Parameter& other : macro.parameters)
      if (other.symbol == parameter.symbol) fail(fmt::format("duplicate argument '{}'", parameter.name));
    macro.parameters.push_back(std::move(parameter));
  }
  take();
}

Parser::StatementPtr Parser::parse_macro() {
  auto made = make(Do::macro);
  take();
  made->text = expect_any_name();
  made->symbol = syntax_.symbol(made->text);
  signature(*made);
  const int loops = std::exchange(loops_, 0);
  made->body = block_to("endmacro");
  loops_ = loops;
  return made;
}

Parser::StatementPtr Parser::parse_call() {
  auto made = make(Do::call);
  take();
  made->text = "caller";
  if (is_sign("(")) signature(*made);
  made->expressions.push_back(expression());
  if (made->expressions[0]->op != Op::call) syntax_error("expected a call", made->line);
  const int loops = std::exchange(loops_, 0);
  made->body = block_to("endcall");
  loops_ = loops;
  return made;
}

Parser::StatementPtr Parser::parse_filter() {
  auto made = make(Do::filter);
  take();
  ExpressionPtr filtered = filter(nullptr);
  while (skip_sign("|")) filtered = filter(std::move(filtered));
  made->expressions.push_back(std::move(filtered));
  made->body = block_to("endfilter");
  return made;
}

Parser::StatementPtr Parser::parse_with() {
  auto made = make(Do::with);
  take();
  while (!is(TokenType::block_end)) {
    if (!made->targets.empty()) expect_sign(",");
    made->targets.push_back(target("", false));
    expect_sign("=");
    made->expressions.push_back(expression());
  }
  made->body = block_to("endwith");
  return made;
}

Parser::StatementPtr Parser::parse_scope(std::string_view end) {
  auto made = make(Do::scope);
  take();
  const int loops = std::exchange(loops_, 0);
  made->body = block_to(end);
  loops_ = loops;
  return made;
}

Parser::StatementPtr Parser::parse_block() {
  auto made = make(Do::scope);
  take();
  const std::string name = expect_any_name();
  made->outermost = !skip_name("scoped");
  skip_name("required");
  const int loops = std::exchange(loops_, 0);
  made->body = block_to("endblock");
  loops_ = loops;
  skip_name(name);
  return made;
}

Parser::StatementPtr Parser::parse_print() {
  auto made = make(Do::output);
  take();
  while (!is(TokenType::block_end)) {
    if (!made->expressions.empty()) expect_sign(",");
    made->expressions.push_back(expression());
  }
  return made;
}

Parser::StatementPtr Parser::parse_jump() {
  auto made = make(is_name("break") ? Do::stop : Do::next);
  const std::string tag = take().text;
  if (loops_ == 0) syntax_error(fmt::format("'{}' outside a loop", tag), made->line);
  return made;
}

Parser::StatementPtr Parser::parse_refused() {
  auto made = make(Do::refuse);
  made->text = fmt::format("a chat template stands alone: '{}' is not supported", current().text);
  const bool has_body = is_name("autoescape");
  while (!is(TokenType::block_end) && !is(TokenType::end)) take();
  if (has_body) block_to("endautoescape");
  return made;
}

Syntax parse(std::string_view source) {
  return Parser(lex(source)).run();
}

}  // namespace hearth::text::jinja
