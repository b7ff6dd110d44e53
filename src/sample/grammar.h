// Grammars: what an answer may look like, and the constraint that keeps a sampler to it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sample/automaton.h"
#include "sample/character_set.h"
#include "sample/sampler.h"
#include "sample/token_table.h"

namespace hearth::sample {

// Immutable and cheap to copy. Made by parse_gbnf, from_json_schema or a GrammarBuilder.
class Grammar {
 public:
  explicit Grammar(std::shared_ptr<const Automaton> automaton) : automaton_(std::move(automaton)) {}
  const std::shared_ptr<const Automaton>& automaton() const noexcept { return automaton_; }
  // True where the whole text is of the grammar.
  bool matches(std::string_view text) const;

 private:
  std::shared_ptr<const Automaton> automaton_;
};

// Any text of the grammar may be written, and nothing else; an end token is allowed exactly where the text is whole.
// Clones share what they learn (the sets of tokens allowed in each state) and may be used from different threads, so a
// server keeps one constraint for each grammar and clones it. Memory for that is bounded. `mask` and `accept` throw
// unsupported where no token of the vocabulary can follow and where a grammar is so ambiguous that following it takes
// more than about a second; `accept` throws usage for a token that is not allowed.
std::unique_ptr<Constraint> grammar_constraint(std::shared_ptr<const TokenTable> table, const Grammar& grammar,
                                               std::size_t memory = std::size_t(64) << 20);  // bytes, about

// Puts a grammar together from expressions, which may be shared.
class GrammarBuilder {
 public:
  using Expression = std::uint32_t;
  using Rule = Automaton::Rule;
  static constexpr std::uint32_t unbounded = ~std::uint32_t(0);

  Expression literal(std::string_view bytes);  // "": nothing needs to be read
  Expression characters(CharacterSet set);     // any one of them
  Expression sequence(std::vector<Expression> parts);
  Expression choice(std::vector<Expression> alternatives);  // of none: never matches
  Expression repeat(Expression body, std::uint32_t minimum, std::uint32_t maximum);
  Expression optional(Expression body) { return repeat(body, 0, 1); }
  Expression call(Rule rule);

  Rule declare() { return Rule(add_rule()); }
  void define(Rule rule, Expression expression) { rules_[rule] = expression; }
  // A new rule, called.
  Expression rule(Expression expression);

  // Throws bad_input where no text is of the grammar, too_long where it is too large once its counted repetitions
  // are written out (a million nodes).
  Grammar build(Rule root) const;
  std::optional<Grammar> build_if_any(Rule root) const;  // nothing where no text is of the grammar

  struct Part {
    enum class Kind : std::uint8_t { literal, characters, sequence, choice, repeat, call } kind;
    std::string bytes = {};
    CharacterSet set = {};
    std::vector<Expression> parts = {};
    std::uint32_t minimum = 0, maximum = 0;
    Rule rule = 0;
  };

 private:
  Expression add(Part part);
  std::size_t add_rule();

  std::vector<Part> parts_;
  std::vector<Expression> rules_;
};

}  // namespace hearth::sample
