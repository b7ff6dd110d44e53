#include "sample/json_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <set>

#include "base/error.h"
#include "sample/json_text.h"
#include "sample/schema_document.h"

namespace hearth::sample {

namespace {

using Expression = GrammarBuilder::Expression;
constexpr std::uint32_t unbounded = GrammarBuilder::unbounded;

// One rule for each conjunction of schemas that is met.
class Compiler {
 public:
  // What enum and const stand beside, compiled by compilers of its own that share this: by the key of the conjunction.
  struct Filters {
    std::map<std::string, std::optional<Grammar>> known;
    std::set<std::string> open;  // being compiled
  };

  Compiler(const SchemaDocument& document, Filters& filters)
      : document_(document), filters_(filters), text_(builder_) {}

  // None where nothing is valid.
  std::optional<Grammar> compile(Conjunction root) {
    const GrammarBuilder::Rule rule = rule_for(std::move(root));
    while (!todo_.empty()) {
      const auto [next, all] = std::move(todo_.front());
      todo_.pop_front();
      builder_.define(next, body(all));
    }
    return builder_.build_if_any(rule);
  }

 private:
  Expression schema(Conjunction all) { return builder_.call(rule_for(std::move(all))); }

  GrammarBuilder::Rule rule_for(Conjunction all) {
    constexpr std::size_t most = 20'000;
    const auto flat = document_.flatten(std::move(all));
    const auto [found, fresh] = rules_.try_emplace(flat ? key_of(*flat) : "never", 0);
    if (!fresh) return found->second;
    if (rules_.size() > most) throw too_large(*flat);
    found->second = builder_.declare();
    if (flat) todo_.push_back({found->second, *flat});
    return found->second;
  }

  static std::string key_of(const Conjunction& flat) {
    std::string key;
    for (const Subschema& s : flat) {
      key += s.pointer;
      key +=
          fmt::format("\n{}", s.any_of_done + 2 * s.one_of_done + 4 * s.ignores_values +
                                  8 * (s.outermost && (s.find("unevaluatedProperties") || s.find("unevaluatedItems"))));
    }
    return key;
  }

  static Error too_large(const Conjunction& all) {
    return Error(Code::too_long, "the schema is too large", fmt::format("at #{} of the schema", all.at(0).pointer));
  }

  Expression body(const Conjunction& all) {
    for (std::size_t i = 0; i < all.size(); ++i)
      for (const std::string_view word : {"anyOf", "oneOf"}) {
        const bool one = word == "oneOf";
        const Json* alternatives = all[i].find(word);
        if (alternatives && !(one ? all[i].one_of_done : all[i].any_of_done))
          return choice_of(all, i, all[i].child(word, *alternatives), one);
      }
    if (const auto values = document_.values(all)) return choice_of_values(all, *values);
    std::vector<Expression> ways;
    const Types types = document_.types(all);
    for (const Type type : types)
      if (!(type == Type::integer && types.contains(Type::number))) ways.push_back(value(type, all));
    return builder_.choice(std::move(ways));
  }

  Expression choice_of(Conjunction all, std::size_t at, const Subschema& list, bool one) {
    (one ? all[at].one_of_done : all[at].any_of_done) = true;
    std::vector<Conjunction> each;
    for (std::size_t i = 0; i < list.json->size(); ++i) {
      each.push_back(all);
      each.back().push_back(list.child(std::to_string(i), (*list.json)[i]));
    }
    for (std::size_t i = 0; one && i < each.size(); ++i)
      for (std::size_t j = 0; j < each.size(); ++j)
        if (i != j && !document_.disjoint(each[i], each[j]))
          refuse_schema(list.pointer,
                        fmt::format("a oneOf whose alternatives {} and {} may both hold (where anyOf would do)",
                                    std::min(i, j), std::max(i, j)));
    std::vector<Expression> ways;
    for (Conjunction& alternative : each) ways.push_back(schema(std::move(alternative)));
    return builder_.choice(std::move(ways));
  }

  // Those for which everything else that is asked holds too.
  Expression choice_of_values(Conjunction all, std::vector<Json> values) {
    const auto simple = [](const Subschema& s) {
      for (auto word = s.json->begin(); word != s.json->end(); ++word)
        if (word.key() != "type" && word.key() != "enum" && word.key() != "const" && word.key() != "description")
          return false;
      return true;
    };
    if (!std::all_of(all.begin(), all.end(), simple)) {
      const std::optional<Grammar>& grammar = filter(all);
      std::erase_if(values, [&](const Json& v) { return !grammar || !grammar->matches(write_constant(v)); });
    }
    std::vector<Expression> ways;
    for (const Json& value : values) ways.push_back(text_.constant(value));
    return builder_.choice(std::move(ways));
  }

  // All but enum and const.
  const std::optional<Grammar>& filter(Conjunction all) {
    constexpr std::size_t deepest = 32;
    std::string place = all[0].pointer;
    for (Subschema& s : all) {
      if (s.find("enum") || s.find("const")) place = s.pointer;
      s.ignores_values = true;
    }
    const std::string key = key_of(all);
    if (const auto found = filters_.known.find(key); found != filters_.known.end()) return found->second;
    if (filters_.open.size() >= deepest || !filters_.open.insert(key).second)
      refuse_schema(place, "an enum or const whose schema comes back to it");
    auto grammar = Compiler(document_, filters_).compile(std::move(all));
    filters_.open.erase(key);
    return filters_.known.emplace(key, std::move(grammar)).first->second;
  }

  Expression value(Type type, const Conjunction& all) {
    switch (type) {
      case Type::null:
        return builder_.literal("null");
      case Type::boolean:
        return builder_.choice({builder_.literal("true"), builder_.literal("false")});
      case Type::string:
        return string(document_.string(all));
      case Type::object:
        return object(all);
      case Type::array:
        return array(document_.array(all));
      case Type::number:
      case Type::integer:
        break;
    }
    const NumberLimits limits = document_.number(all, type == Type::integer);
    return at_pointer(all.empty() ? "" : all[0].pointer, [&] { return number_grammar(builder_, limits); });
  }

  Expression string(const StringShape& shape) {
    if (shape.minimum > shape.maximum) return builder_.choice({});
    if (shape.patterns.empty()) return text_.string(shape.minimum, shape.maximum);
    if (shape.patterns.size() == 1 && shape.minimum == 0 && shape.maximum == unbounded)
      return text_.string(shape.patterns[0]);
    return text_.string(shape.language());
  }

  Expression array(const ArrayShape& shape) {
    const auto size = std::uint32_t(shape.prefix.size());
    // From the end: what may stand after i items.
    Expression rest = builder_.choice({});
    if (shape.maximum >= size) {
      const std::uint32_t from = shape.minimum > size ? shape.minimum - size : 0;
      const std::uint32_t to = shape.maximum == unbounded ? unbounded : shape.maximum - size;
      if (shape.goes_on && from <= to)
        rest = text_.list(schema(shape.items), from, to, size > 0);
      else if (from == 0)
        rest = builder_.literal("");
    }
    for (std::uint32_t i = size; i-- > 0;) {
      std::vector<Expression> ways;
      if (i >= shape.minimum) ways.push_back(builder_.literal(""));
      if (i < shape.maximum) {
        std::vector<Expression> parts = {schema(shape.prefix[i]), rest};
        if (i > 0) parts.insert(parts.begin(), text_.comma());
        ways.push_back(builder_.sequence(std::move(parts)));
      }
      rest = builder_.rule(builder_.choice(std::move(ways)));
    }
    return text_.brackets(rest);
  }

  Expression object(const Conjunction& all) {
    const ObjectShape shape = document_.object(all);
    const std::optional<Language> allowed = allowed_names(all);
    const std::optional<Expression> other = others(all, shape, allowed);
    const auto size = std::uint32_t(shape.names.size());
    if (other && shape.minimum > size + 1)  // names may come twice, so that more cannot be counted
      refuse_schema(all[0].pointer, "minProperties beyond one more than the declared properties");
    // From the end: what may stand after the first i names, when so many of them (or more, where that is all that
    // matters) were written.
    const std::uint32_t bounded = shape.maximum == unbounded ? 0 : std::min(shape.maximum, size + 1);
    const std::uint32_t most = std::max({1u, std::min(shape.minimum, size + 2), bounded});
    constexpr std::size_t largest = 100'000;
    if (std::size_t(most) * size > largest) throw too_large(all);
    std::vector<Expression> rest;
    for (std::uint32_t written = 0; written <= most; ++written) rest.push_back(after_names(shape, other, written));
    for (std::uint32_t i = size; i-- > 0;) {
      const std::string& name = shape.names[i];
      const bool may_be = !allowed || allowed->contains(name);
      const Expression value = may_be ? schema(shape.properties.at(name)) : builder_.choice({});
      const Expression member = builder_.rule(text_.member(text_.string(name), value));
      std::vector<Expression> before;
      for (std::uint32_t written = 0; written <= std::min(most, i); ++written) {
        std::vector<Expression> ways;
        if (written < shape.maximum) {
          std::vector<Expression> parts = {member, rest[std::min(written + 1, most)]};
          if (written > 0) parts.insert(parts.begin(), text_.comma());
          ways.push_back(builder_.sequence(std::move(parts)));
        }
        if (!shape.required.contains(name)) ways.push_back(rest[written]);
        before.push_back(builder_.rule(builder_.choice(std::move(ways))));
      }
      rest = std::move(before);
    }
    return text_.braces(rest[0]);
  }

  // The properties that are not declared, when so many declared ones were written.
  Expression after_names(const ObjectShape& shape, std::optional<Expression> other, std::uint32_t written) {
    const Expression nothing = builder_.choice({});
    if (written > shape.maximum) return nothing;
    const std::uint32_t from = shape.minimum > written ? shape.minimum - written : 0;
    const std::uint32_t to = shape.maximum == unbounded ? unbounded : shape.maximum - written;
    if (!other) return from == 0 ? builder_.literal("") : nothing;
    return from > 1 || from > to ? nothing : text_.list(*other, from, to, written > 0);
  }

  // A member that is not declared: its names are told apart by what holds for them.
  std::optional<Expression> others(const Conjunction& all, const ObjectShape& shape,
                                   const std::optional<Language>& allowed) {
    struct Kind {
      Language names;
      Conjunction schemas = {};
      bool asked_for = false, matched = false;
    };
    const bool any_name = shape.names.empty() && !allowed;
    std::vector<Kind> kinds = {{.names = Language::of(shape.names).complement(), .asked_for = !shape.declares}};
    if (allowed) kinds[0].names = kinds[0].names.intersection(*allowed);
    for (const Subschema& s : all) {
      if (const Json* patterns = s.find("patternProperties")) {
        const Subschema list = s.child("patternProperties", *patterns);
        for (auto i = patterns->begin(); i != patterns->end(); ++i) {
          const Subschema child = list.child(i.key(), *i);
          const Language& matching = document_.pattern(i.key(), child.pointer);
          const Language missing = matching.complement();
          std::vector<Kind> split;
          for (Kind& kind : kinds) {
            Kind matched = kind;
            matched.names = kind.names.intersection(matching);
            matched.schemas.push_back(child);
            matched.asked_for = matched.matched = true;
            kind.names = kind.names.intersection(missing);
            for (Kind& half : {std::ref(matched), std::ref(kind)})
              if (!half.names.empty()) split.push_back(std::move(half));
          }
          constexpr std::size_t most = 64;
          if (split.size() > most) refuse_schema(list.pointer, "so many patterns for the same names");
          kinds = std::move(split);
        }
      }
      const Json* additional = s.find("additionalProperties");
      for (Kind& kind : kinds) {
        if (additional && !kind.matched) {
          kind.schemas.push_back(s.child("additionalProperties", *additional));
          kind.asked_for |= *additional != false;
        }
        kind.matched = false;
      }
    }
    std::vector<Expression> ways;
    for (const Kind& kind : kinds) {
      if (!kind.asked_for || kind.names.empty()) continue;
      const bool any = any_name && kinds.size() == 1 && kind.names.contains("");
      ways.push_back(text_.member(any ? text_.string(0, unbounded) : text_.string(kind.names), schema(kind.schemas)));
    }
    if (ways.empty()) return {};
    return builder_.rule(builder_.choice(std::move(ways)));
  }

  // What propertyNames allows.
  std::optional<Language> allowed_names(const Conjunction& all) const {
    Conjunction names;
    for (const Subschema& s : all)
      if (const Json* schema = s.find("propertyNames")) names.push_back(s.child("propertyNames", *schema));
    if (names.empty()) return {};
    const auto flat = document_.flatten(names);
    const std::vector<std::string> none;
    if (!flat || !document_.valid_types(*flat).contains(Type::string)) return Language::of(none);
    for (const Subschema& s : *flat)
      if (s.find("anyOf") || s.find("oneOf")) refuse_schema(s.pointer, "alternatives in propertyNames");
    const Language language = document_.string(*flat).language();
    const auto values = document_.values(*flat);
    if (!values) return language;
    std::vector<std::string> words;
    for (const Json& value : *values) words.push_back(value.get<std::string>());
    return Language::of(words).intersection(language);
  }

  const SchemaDocument& document_;
  Filters& filters_;
  GrammarBuilder builder_;
  JsonText text_;
  std::map<std::string, GrammarBuilder::Rule> rules_;
  std::deque<std::pair<GrammarBuilder::Rule, Conjunction>> todo_;
};

}  // namespace

Grammar from_json_schema(const Json& schema) {
  const SchemaDocument document(schema);
  Compiler::Filters filters;
  std::optional<Grammar> grammar = Compiler(document, filters).compile(document.root());
  if (!grammar) throw Error(Code::bad_input, "nothing is valid under the schema");
  return std::move(*grammar);
}

Grammar json_object_grammar() {
  GrammarBuilder builder;
  const auto object = builder.declare();
  builder.define(object, JsonText(builder).any_object());
  return builder.build(object);
}

}  // namespace hearth::sample
