// Grammars in GBNF, the notation of llama.cpp.
#pragma once

#include <string_view>

#include "sample/grammar.h"

namespace hearth::sample {

//   root ::= "yes" | "no" | [a-z]+ ("," [^\n"] .){2,5}  # a comment
// Rules are named with letters, digits, '-' and '_'; an answer is a `root`. A rule ends with its line, except within
// parentheses and beside '|'. Escapes in literals and classes: \n \r \t \\ \" \[ \] \- \^, and \xNN \uNNNN \UNNNNNNNN
// for the character of that number. Any recursion is allowed, left recursion too. Throws bad_input naming line and
// column, too_long where repetitions make it too large, unsupported for token references.
Grammar parse_gbnf(std::string_view text);

}  // namespace hearth::sample
