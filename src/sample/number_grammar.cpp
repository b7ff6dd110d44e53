#include "sample/number_grammar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <numeric>
#include <tuple>

#include "base/error.h"

namespace hearth::sample {

namespace {

using Expression = GrammarBuilder::Expression;
using Bound = NumberLimits::Bound;

constexpr std::uint32_t usual_whole = 18, usual_fraction = 16;

// factor / 10^scale
struct Multiple {
  std::uint64_t factor = 1;
  std::uint32_t scale = 0;

  explicit Multiple(const Decimal& value) : scale(std::uint32_t(value.fraction.size())) {
    const std::string digits = value.whole + value.fraction;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), factor).ec != std::errc{}) factor = too_large;
  }
  void set_scale(std::uint32_t wanted) {
    for (; scale < wanted && factor < too_large; ++scale) factor *= 10;
  }
  static constexpr std::uint64_t too_large = 1'000'000'000'000;
};

[[noreturn]] void refuse_multiple() {
  throw Error(Code::unsupported, "multiples of so long a number cannot be kept to");
}

Expression digits(GrammarBuilder& g, std::uint32_t minimum, std::uint32_t maximum) {
  return g.repeat(g.characters({{'0', '9'}}), minimum, maximum);
}

// How what was read so far compares with a bound, cut off at the same place.
enum class Order : std::uint8_t { below, equal, above };

// Numbers from 0 up between bounds.
class Magnitude {
 public:
  Magnitude(GrammarBuilder& builder, std::optional<Bound> minimum, std::optional<Bound> maximum, bool integer,
            std::optional<Multiple> multiple)
      : g_(builder), minimum_(std::move(minimum)), maximum_(std::move(maximum)), multiple_(multiple) {
    fraction_ = usual_fraction;
    for (const auto& bound : {minimum_, maximum_})
      if (bound) fraction_ = std::max(fraction_, std::uint32_t(bound->value.fraction.size()) + 1);
    if (multiple_) fraction_ = multiple_->scale;  // more digits would be zeros
    if (integer) fraction_ = 0;
  }

  Expression expression() {
    std::vector<Expression> lengths;
    std::size_t shortest = 1, longest = usual_whole;
    if (minimum_)
      shortest = std::max(shortest, minimum_->value.whole.size()), longest = std::max(longest, shortest + 1);
    if (multiple_) {  // each remainder is a state at each place
      constexpr std::uint64_t most = 100'000;
      const std::uint64_t places = most / multiple_->factor;
      const auto needed = std::max(shortest, std::to_string(multiple_->factor).size());
      if (needed > places) refuse_multiple();
      longest = std::min<std::size_t>(longest, places);
    }
    if (maximum_) longest = std::min(longest, std::max<std::size_t>(1, maximum_->value.whole.size()));
    for (std::size_t length = shortest; length <= longest; ++length) {
      const auto order = [&](const std::optional<Bound>& bound, Order without) {
        if (!bound) return without;
        return bound->value.whole.size() > length ? Order::below : Order::equal;
      };
      lengths.push_back(state({.whole_left = std::uint32_t(length),
                               .leading = true,
                               .minimum = order(minimum_, Order::above),
                               .maximum = order(maximum_, Order::below)}));
    }
    return g_.choice(std::move(lengths));
  }

 private:
  struct State {
    std::uint32_t whole_left;         // digits before the point that are still to come
    std::uint32_t fraction_read = 0;  // digits after it that were read
    bool leading = false;             // the next digit is the first of all
    bool after_point = false;         // a digit must come
    Order minimum, maximum;
    std::uint64_t remainder = 0;  // of all digits read, as one number
    auto operator<=>(const State&) const = default;
  };

  Expression state(const State& s) {
    const auto [found, fresh] = rules_.try_emplace(s, 0);
    if (fresh) {
      const auto rule = g_.declare();
      found->second = rule;
      g_.define(rule, body(s));
      return g_.call(rule);
    }
    return g_.call(found->second);
  }

  Expression body(const State& s) {
    std::vector<Expression> ways;
    if (!multiple_ && !s.leading && s.minimum == Order::above && s.maximum == Order::below) return free(s);
    if (s.whole_left == 0 && !s.after_point) {
      if (may_end(s)) ways.push_back(g_.literal(""));
      if (s.fraction_read == fraction_) return g_.choice(std::move(ways));
      if (s.fraction_read == 0) {
        State next = s;
        next.after_point = true;
        ways.push_back(g_.sequence({g_.literal("."), state(next)}));
        return g_.choice(std::move(ways));
      }
    }
    std::map<State, CharacterSet> next_states;
    for (int digit = s.leading && s.whole_left > 1 ? 1 : 0; digit <= 9; ++digit) {
      State next = s;
      next.leading = next.after_point = false;
      if (minimum_ && s.minimum == Order::equal) next.minimum = order(digit, digit_of(minimum_->value, s));
      if (maximum_ && s.maximum == Order::equal) next.maximum = order(digit, digit_of(maximum_->value, s));
      if (next.minimum == Order::below || next.maximum == Order::above) continue;
      if (multiple_) next.remainder = (s.remainder * 10 + std::uint64_t(digit)) % multiple_->factor;
      if (s.whole_left > 0)
        --next.whole_left;
      else
        ++next.fraction_read;
      next_states[next].add(char32_t('0' + digit), char32_t('0' + digit));
    }
    for (const auto& [next, set] : next_states) ways.push_back(g_.sequence({g_.characters(set), state(next)}));
    return g_.choice(std::move(ways));
  }

  // Nothing is asked of the remaining digits.
  Expression free(const State& s) {
    const std::uint32_t left = fraction_ - s.fraction_read;
    if (s.after_point) return digits(g_, 1, left);
    if (s.fraction_read > 0) return digits(g_, 0, left);
    const Expression whole = digits(g_, s.whole_left, s.whole_left);
    if (fraction_ == 0) return whole;
    return g_.sequence({whole, g_.optional(g_.sequence({g_.literal("."), digits(g_, 1, fraction_)}))});
  }

  static Order order(int a, int b) { return a < b ? Order::below : a > b ? Order::above : Order::equal; }

  // The digit of a bound at the place of the next digit.
  static int digit_of(const Decimal& value, const State& s) {
    if (s.whole_left > 0)
      return s.whole_left > value.whole.size() ? 0 : value.whole[value.whole.size() - s.whole_left] - '0';
    return s.fraction_read < value.fraction.size() ? value.fraction[s.fraction_read] - '0' : 0;
  }

  bool may_end(const State& s) const {
    const auto rest_is_zero = [&](const Bound& b) { return b.value.fraction.size() <= s.fraction_read; };
    if (minimum_ && s.minimum == Order::equal && (!rest_is_zero(*minimum_) || minimum_->exclusive)) return false;
    if (maximum_ && s.maximum == Order::equal && rest_is_zero(*maximum_) && maximum_->exclusive) return false;
    if (!multiple_) return true;
    std::uint64_t remainder = s.remainder;
    for (std::uint32_t i = s.fraction_read; i < multiple_->scale; ++i) remainder = remainder * 10 % multiple_->factor;
    return remainder == 0;
  }

  GrammarBuilder& g_;
  std::optional<Bound> minimum_, maximum_;
  std::optional<Multiple> multiple_;
  std::uint32_t fraction_;
  std::map<State, GrammarBuilder::Rule> rules_;
};

Expression unbounded_number(GrammarBuilder& g, bool integer) {
  const Expression whole =
      g.choice({g.literal("0"), g.sequence({g.characters({{'1', '9'}}), digits(g, 0, usual_whole - 1)})});
  std::vector<Expression> parts = {g.optional(g.literal("-")), whole};
  if (!integer) {
    parts.push_back(g.optional(g.sequence({g.literal("."), digits(g, 1, usual_fraction)})));
    parts.push_back(g.optional(g.sequence({g.characters({{'e', 'e'}, {'E', 'E'}}),
                                           g.optional(g.characters({{'+', '+'}, {'-', '-'}})), digits(g, 1, 2)})));
  }
  return g.sequence(std::move(parts));
}

}  // namespace

void NumberLimits::restrict(const NumberLimits& other) {
  integer |= other.integer;
  const auto tighten = [](std::optional<Bound>& mine, const std::optional<Bound>& theirs, int tighter) {
    if (!theirs) return;
    const int order = mine ? compare(theirs->value, mine->value) * tighter : 1;
    if (order > 0)
      mine = theirs;
    else if (order == 0)
      mine->exclusive |= theirs->exclusive;
  };
  tighten(minimum, other.minimum, 1);
  tighten(maximum, other.maximum, -1);
  if (!other.multiple_of) return;
  if (!multiple_of) {
    multiple_of = other.multiple_of;
    return;
  }
  Multiple a(*multiple_of), b(*other.multiple_of);
  a.set_scale(b.scale);
  b.set_scale(a.scale);
  if (a.factor >= Multiple::too_large || b.factor >= Multiple::too_large) refuse_multiple();
  const std::string common = std::to_string(std::lcm(a.factor, b.factor));
  multiple_of = Decimal::parse(common + "e-" + std::to_string(a.scale));
}

Expression number_grammar(GrammarBuilder& g, const NumberLimits& limits) {
  std::optional<Multiple> multiple;
  if (limits.multiple_of) {
    multiple.emplace(*limits.multiple_of);
    if (limits.integer && multiple->scale > 0) {  // 2.5 and the integers have 5 in common, that is 2.5 and 1
      const std::uint64_t one = [&] {
        std::uint64_t power = 1;
        for (std::uint32_t i = 0; i < multiple->scale && power < Multiple::too_large; ++i) power *= 10;
        return power;
      }();
      if (one >= Multiple::too_large || multiple->factor >= Multiple::too_large) refuse_multiple();
      multiple->factor = std::lcm(multiple->factor, one) / one;
      multiple->scale = 0;
    }
  }
  const auto &minimum = limits.minimum, &maximum = limits.maximum;
  if (!minimum && !maximum && !multiple) return unbounded_number(g, limits.integer);

  std::vector<Expression> signs;
  const Bound above_zero{.value = {}, .exclusive = true};
  if (!maximum || !maximum->value.negative) {
    std::optional<Bound> from = minimum;
    if (from && (from->value.negative || (from->value.zero() && !from->exclusive))) from.reset();
    signs.push_back(Magnitude(g, from, maximum, limits.integer, multiple).expression());
  }
  if (!minimum || minimum->value.negative) {
    const auto mirrored = [](const Bound& b) { return Bound{b.value.negated(), b.exclusive}; };
    const Bound from = maximum && maximum->value.negative ? mirrored(*maximum) : above_zero;
    std::optional<Bound> to;
    if (minimum) to = mirrored(*minimum);
    signs.push_back(g.sequence({g.literal("-"), Magnitude(g, from, to, limits.integer, multiple).expression()}));
  }
  return g.choice(std::move(signs));
}

}  // namespace hearth::sample
