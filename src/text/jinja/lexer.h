// A template's text as tokens, with Jinja's white space rules (trim_blocks and lstrip_blocks on).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/value.h"

namespace hearth::text::jinja {

enum class TokenType : std::uint8_t {
  data,
  block_begin,
  block_end,
  variable_begin,
  variable_end,
  name,
  string,
  integer,
  floating,
  sign,  // an operator or a bracket
  end
};

struct Token {
  TokenType type = TokenType::end;
  std::uint32_t line = 1;
  std::string text;  // data, name, string, sign
  Value number;
};

// Throws bad_input with line and fault.
std::vector<Token> lex(std::string_view source);

[[noreturn]] void syntax_error(std::string_view fault, std::uint32_t line);

}  // namespace hearth::text::jinja
