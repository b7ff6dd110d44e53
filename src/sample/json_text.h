// The pieces that JSON is written with, as grammar expressions.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <vector>

#include "sample/grammar.h"
#include "sample/language.h"
#include "sample/regex.h"

namespace hearth::sample {

class JsonText {
 public:
  using Expression = GrammarBuilder::Expression;
  static constexpr std::uint32_t unbounded = GrammarBuilder::unbounded;

  // Borrows the builder.
  explicit JsonText(GrammarBuilder& builder) : g_(builder) {}

  Expression space();                                               // between what belongs together, bounded
  Expression string(std::uint32_t minimum, std::uint32_t maximum);  // of so many characters, however they are escaped
  Expression string(const Regex& regex);
  Expression string(const Language& language);
  Expression string(std::string_view text);  // this one, UTF-8
  Expression constant(const nlohmann::ordered_json& value);
  Expression any_value();
  Expression any_object();

  Expression member(Expression key, Expression value);
  // So many, with commas between; `after`: others came before.
  Expression list(Expression item, std::uint32_t minimum, std::uint32_t maximum, bool after);
  Expression comma();  // and what may stand after it
  Expression braces(Expression members);
  Expression brackets(Expression items);

 private:
  Expression character(const CharacterSet& set);
  Expression regex(const Regex& regex);
  template <class Make>
  Expression once(std::optional<Expression>& made, Make make);

  GrammarBuilder& g_;
  std::optional<Expression> space_, comma_, character_, string_, value_;
  std::map<std::vector<CharacterSet::Range>, Expression> characters_;
};

// As a grammar writes it: numbers without exponents, and without a fraction where it is 0.
std::string write_constant(const nlohmann::ordered_json& value);

}  // namespace hearth::sample
