// Whether two schemas can hold for the same value: what makes oneOf a plain choice.
#include <algorithm>

#include "base/error.h"
#include "sample/schema_document.h"

namespace hearth::sample {

namespace {

class Comparison {
 public:
  explicit Comparison(const SchemaDocument& document) : document_(document) {}

  bool disjoint(const Conjunction& written, const Conjunction& valid, int depth) {
    constexpr int deepest = 6;
    if (depth > deepest || work_ == 0) return false;
    --work_;
    const auto a = document_.flatten(written), b = document_.flatten(valid);
    if (!a || !b) return true;
    if (const auto all = each_alternative(*a, [&](const Conjunction& one) { return disjoint(one, *b, depth + 1); }))
      return *all;
    if (const auto all = each_alternative(*b, [&](const Conjunction& one) { return disjoint(*a, one, depth + 1); }))
      return *all;
    const auto ours = document_.values(*a), theirs = document_.values(*b);
    if (ours) return std::none_of(ours->begin(), ours->end(), [&](const Json& v) { return may_hold(v, theirs, *b); });
    const Types written_types = document_.types(*a), valid_types = document_.valid_types(*b);
    if (theirs)
      return std::none_of(theirs->begin(), theirs->end(), [&](const Json& v) {
        return written_types.contains(type_of(v)) && (!v.is_string() || may_be(v.get<std::string>(), *a));
      });
    return std::all_of(written_types.begin(), written_types.end(),
                       [&](Type type) { return !valid_types.contains(type) || differ(type, *a, *b, depth); });
  }

 private:
  // Where there are alternatives: whether all are disjoint from the other side.
  template <class Test>
  static std::optional<bool> each_alternative(const Conjunction& all, Test test) {
    for (std::size_t i = 0; i < all.size(); ++i)
      for (const std::string_view word : {"anyOf", "oneOf"}) {
        bool Subschema::*const done = word == "anyOf" ? &Subschema::any_of_done : &Subschema::one_of_done;
        const Json* alternatives = all[i].find(word);
        if (!alternatives || all[i].*done) continue;
        const Subschema list = all[i].child(word, *alternatives);
        for (std::size_t n = 0; n < alternatives->size(); ++n) {
          Conjunction one = all;
          one[i].*done = true;
          one.push_back(list.child(std::to_string(n), (*alternatives)[n]));
          if (!test(one)) return false;
        }
        return true;
      }
    return {};
  }

  bool may_hold(const Json& value, const std::optional<std::vector<Json>>& values, const Conjunction& all) const {
    if (values) return std::find(values->begin(), values->end(), value) != values->end();
    return document_.valid_types(all).contains(type_of(value)) &&
           (!value.is_string() || may_be(value.get<std::string>(), all));
  }

  bool may_be(const std::string& text, const Conjunction& all) const {
    return document_.string(all).language().contains(text);
  }

  bool differ(Type type, const Conjunction& a, const Conjunction& b, int depth) {
    switch (type) {
      case Type::null:
      case Type::boolean:
        return false;
      case Type::object:
        return objects_differ(a, b, depth);
      case Type::array:
        return arrays_differ(a, b, depth);
      case Type::string: {
        const StringShape ours = document_.string(a), theirs = document_.string(b);
        return !ours.free() && !theirs.free() && ours.language().intersection(theirs.language()).empty();
      }
      case Type::number:
      case Type::integer:
        break;
    }
    const NumberLimits ours = document_.number(a, false), theirs = document_.number(b, false);
    const auto below = [](const auto& high, const auto& low) {
      if (!high || !low) return false;
      const int order = compare(high->value, low->value);
      return order < 0 || (order == 0 && (high->exclusive || low->exclusive));
    };
    return below(ours.maximum, theirs.minimum) || below(theirs.maximum, ours.minimum);
  }

  bool objects_differ(const Conjunction& a, const Conjunction& b, int depth) {
    const ObjectShape ours = document_.object(a), theirs = document_.object(b);
    const bool only_declared = ours.declares && !ours.asks;
    // What the other side requires, and is not written here or is written otherwise.
    for (const std::string& name : theirs.required) {
      const auto written = ours.properties.find(name);
      if (written == ours.properties.end() ? only_declared
                                           : disjoint(written->second, theirs.properties.at(name), depth + 1))
        return true;
    }
    // What is always written here, and must be otherwise there or not be at all.
    return std::any_of(ours.required.begin(), ours.required.end(), [&](const std::string& name) {
      return disjoint(ours.properties.at(name), document_.property(b, name), depth + 1);
    });
  }

  bool arrays_differ(const Conjunction& a, const Conjunction& b, int depth) {
    const ArrayShape ours = document_.array(a), theirs = document_.array(b);
    if (ours.maximum < theirs.minimum || theirs.maximum < ours.minimum) return true;
    const auto item = [](const ArrayShape& shape, std::size_t i) {
      return i < shape.prefix.size() ? shape.prefix[i] : shape.items;
    };
    const std::size_t both = std::min<std::size_t>(std::max(ours.minimum, theirs.minimum),
                                                   1 + std::max(ours.prefix.size(), theirs.prefix.size()));
    for (std::size_t i = 0; i < both; ++i)
      if (disjoint(item(ours, i), item(theirs, i), depth + 1)) return true;
    return false;
  }

  const SchemaDocument& document_;
  std::size_t work_ = 2000;
};

}  // namespace

bool SchemaDocument::disjoint(const Conjunction& written, const Conjunction& valid) const {
  return Comparison(*this).disjoint(written, valid, 0);
}

}  // namespace hearth::sample
