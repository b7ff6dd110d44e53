// Expressions and statements from tokens.
#pragma once

#include <initializer_list>

#include "text/jinja/lexer.h"
#include "text/jinja/syntax.h"

namespace hearth::text::jinja {

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}
  Syntax run();

 private:
  using Names = std::initializer_list<std::string_view>;

  // Tokens.
  const Token& current() const { return tokens_[at_]; }
  const Token& look() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  Token take();
  bool is(TokenType type) const { return current().type == type; }
  bool is_sign(std::string_view sign) const { return is(TokenType::sign) && current().text == sign; }
  bool is_name(std::string_view name) const { return is(TokenType::name) && current().text == name; }
  bool skip_sign(std::string_view sign);
  bool skip_name(std::string_view name);
  void expect_sign(std::string_view sign);
  void expect_name(std::string_view name);
  void expect(TokenType type, std::string_view what);
  std::string expect_any_name();
  std::string shown() const;  // the current token, for a message
  [[noreturn]] void fail(std::string_view fault) const { syntax_error(fault, current().line); }

  // Nested brackets and blocks are bounded.
  class Level;
  ExpressionPtr make(Op op, std::uint32_t line, std::vector<ExpressionPtr> items = {});
  ExpressionPtr finish(ExpressionPtr expression);  // measures the tree, and bounds it

  // Expressions, loosest first. [parse_expression.cpp]
  ExpressionPtr expression(bool with_choice = true);
  ExpressionPtr any();
  ExpressionPtr all();
  ExpressionPtr negation();
  ExpressionPtr compare();
  ExpressionPtr binary(int precedence);
  ExpressionPtr unary(bool with_filters = true);
  ExpressionPtr primary(bool with_space_item = false);
  ExpressionPtr postfix(ExpressionPtr expression);
  ExpressionPtr filters(ExpressionPtr expression);
  ExpressionPtr subscript(ExpressionPtr of);
  ExpressionPtr subscribed(ExpressionPtr of);
  ExpressionPtr call(ExpressionPtr callee);
  ExpressionPtr filter(ExpressionPtr of);
  ExpressionPtr test(ExpressionPtr of);
  ExpressionPtr list();
  ExpressionPtr dict();
  void arguments(Expression& call);
  struct TupleRules {
    bool with_choice = true;
    bool parenthesised = false;
    bool target = false, with_space_item = false;
    std::string_view ends = {};  // a name that ends the tuple
  };
  ExpressionPtr tuple(TupleRules rules);
  ExpressionPtr target(std::string_view ends, bool with_space_item);
  void check_target(const Expression& target) const;

  // Statements. [parser.cpp]
  using StatementPtr = std::unique_ptr<Statement>;
  Body body(Names ends);                // up to {% END, which is the current token then
  Body block(Names ends);               // the same after %}
  Body block_to(std::string_view end);  // and takes END
  StatementPtr statement(Names ends);
  StatementPtr make(Do what) const;
  StatementPtr parse_if();
  StatementPtr parse_for();
  StatementPtr parse_set();
  StatementPtr parse_macro();
  StatementPtr parse_call();
  StatementPtr parse_filter();
  StatementPtr parse_with();
  StatementPtr parse_scope(std::string_view end);
  StatementPtr parse_block();
  StatementPtr parse_print();
  StatementPtr parse_jump();
  StatementPtr parse_refused();
  void signature(Statement& macro);

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  int loops_ = 0;  // around the current statement, in its macro
  Syntax syntax_;
};

// Deeper templates are refused.
constexpr std::size_t most_nested = 200;

class Parser::Level {
 public:
  explicit Level(Parser& parser) : parser_(parser) {
    if (++parser_.depth_ > most_nested) parser_.fail("the template nests too deeply");
  }
  ~Level() { --parser_.depth_; }
  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;

 private:
  Parser& parser_;
};

}  // namespace hearth::text::jinja
