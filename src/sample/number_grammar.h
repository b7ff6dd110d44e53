// Numbers between bounds, as JSON writes them: automata that compare digit by digit.
#pragma once

#include <optional>

#include "sample/decimal.h"
#include "sample/grammar.h"

namespace hearth::sample {

struct NumberLimits {
  struct Bound {
    Decimal value;
    bool exclusive = false;
  };
  bool integer = false;  // written without fraction and exponent
  std::optional<Bound> minimum = {}, maximum = {};
  std::optional<Decimal> multiple_of = {};  // more than 0

  // Both must hold. Throws unsupported for two multiples that have none in common within reach.
  void restrict(const NumberLimits& other);
};

// Numbers have at most 18 digits before the point (more where the bounds ask for it) and 16 after it, so that they come
// to an end; exponents are written only where there are no bounds. Throws unsupported for multiples too large to
// follow.
GrammarBuilder::Expression number_grammar(GrammarBuilder& builder, const NumberLimits& limits);

}  // namespace hearth::sample
