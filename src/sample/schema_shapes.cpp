// What conjunctions of schemas say of each type of value.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "sample/schema_document.h"

namespace hearth::sample {

namespace {

const Types every_type = {Type::null,   Type::boolean, Type::object, Type::array,
                          Type::string, Type::number,  Type::integer};

Types named_types(const Json& name) {
  static const std::map<std::string_view, Types> names = {
      {"null", {Type::null}},      {"boolean", {Type::boolean}}, {"object", {Type::object}},
      {"array", {Type::array}},    {"string", {Type::string}},   {"number", {Type::number, Type::integer}},
      {"integer", {Type::integer}}};
  return names.at(name.get_ref<const std::string&>());
}

std::uint32_t count(const Subschema& schema, std::string_view word, std::uint32_t otherwise) {
  constexpr double most = 100'000;
  const Json* value = schema.find(word);
  if (!value) return otherwise;
  if (value->get<double>() > most)
    refuse_schema(schema.pointer + "/" + std::string(word), fmt::format("a {} beyond 100000", word));
  return std::uint32_t(value->get<double>());
}

void restrict_counts(const Subschema& schema, std::string_view minimum, std::string_view maximum, auto& shape) {
  shape.minimum = std::max(shape.minimum, count(schema, minimum, 0));
  shape.maximum = std::min(shape.maximum, count(schema, maximum, Regex::unbounded));
}

Regex pattern_at(const std::string& pattern, const std::string& pointer) {
  return at_pointer(pointer, [&] { return parse_regex(pattern); });
}

}  // namespace

Type type_of(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return Type::null;
    case Json::value_t::boolean:
      return Type::boolean;
    case Json::value_t::object:
      return Type::object;
    case Json::value_t::array:
      return Type::array;
    case Json::value_t::string:
      return Type::string;
    default:
      return Decimal::parse(value.dump()).fraction.empty() ? Type::integer : Type::number;
  }
}

const Language& SchemaDocument::pattern(const std::string& text, const std::string& pointer) const {
  const auto found = patterns_.find(text);
  if (found != patterns_.end()) return found->second;
  return patterns_.emplace(text, at_pointer(pointer, [&] { return Language::of(parse_regex(text)); })).first->second;
}

Types SchemaDocument::valid_types(const Conjunction& all) const {
  Types types = every_type;
  for (const Subschema& schema : all) {
    const Json* type = schema.find("type");
    if (!type) continue;
    Types named;
    if (type->is_string())
      named = named_types(*type);
    else
      for (const Json& name : *type) named.merge(named_types(name));
    std::erase_if(types, [&](Type t) { return !named.contains(t); });
  }
  return types;
}

Types SchemaDocument::types(const Conjunction& all) const {
  static const std::map<std::string_view, Type> spoken_of = {{"properties", Type::object},
                                                             {"patternProperties", Type::object},
                                                             {"required", Type::object},
                                                             {"additionalProperties", Type::object},
                                                             {"propertyNames", Type::object},
                                                             {"unevaluatedProperties", Type::object},
                                                             {"minProperties", Type::object},
                                                             {"maxProperties", Type::object},
                                                             {"items", Type::array},
                                                             {"prefixItems", Type::array},
                                                             {"additionalItems", Type::array},
                                                             {"unevaluatedItems", Type::array},
                                                             {"minItems", Type::array},
                                                             {"maxItems", Type::array},
                                                             {"uniqueItems", Type::array},
                                                             {"pattern", Type::string},
                                                             {"minLength", Type::string},
                                                             {"maxLength", Type::string},
                                                             {"format", Type::string},
                                                             {"minimum", Type::number},
                                                             {"maximum", Type::number},
                                                             {"exclusiveMinimum", Type::number},
                                                             {"exclusiveMaximum", Type::number},
                                                             {"multipleOf", Type::number}};
  Types spoken;
  for (const Subschema& schema : all) {
    if (schema.find("type")) return valid_types(all);
    for (auto word = schema.json->begin(); word != schema.json->end(); ++word)
      if (const auto found = spoken_of.find(word.key()); found != spoken_of.end()) spoken.insert(found->second);
  }
  if (spoken.contains(Type::number)) spoken.insert(Type::integer);
  return spoken.empty() ? every_type : spoken;
}

std::optional<std::vector<Json>> SchemaDocument::values(const Conjunction& all) const {
  std::optional<std::vector<Json>> values;
  const auto restrict = [&](const std::vector<Json>& given) {
    if (!values) {
      values = given;
      return;
    }
    const std::vector<nlohmann::json> unordered(given.begin(), given.end());  // {"a", "b"} is {"b", "a"}
    std::erase_if(*values, [&](const Json& v) {
      return std::find(unordered.begin(), unordered.end(), nlohmann::json(v)) == unordered.end();
    });
  };
  for (const Subschema& schema : all) {
    if (schema.ignores_values) continue;
    if (const Json* given = schema.find("enum")) restrict({given->begin(), given->end()});
    if (const Json* given = schema.find("const")) restrict({*given});
  }
  if (values) {
    const Types valid = valid_types(all);
    std::erase_if(*values, [&](const Json& v) { return !valid.contains(type_of(v)); });
  }
  return values;
}

Conjunction SchemaDocument::property(const Conjunction& all, const std::string& name) const {
  Conjunction result;
  for (const Subschema& schema : all) {
    bool declared = false;
    if (const Json* properties = schema.find("properties"))
      if (const auto found = properties->find(name); found != properties->end()) {
        result.push_back(schema.child("properties", *properties).child(name, *found));
        declared = true;
      }
    if (const Json* patterns = schema.find("patternProperties")) {
      const Subschema list = schema.child("patternProperties", *patterns);
      for (auto i = patterns->begin(); i != patterns->end(); ++i) {
        const Subschema child = list.child(i.key(), *i);
        if (!pattern(i.key(), child.pointer).contains(name)) continue;
        result.push_back(child);
        declared = true;
      }
    }
    if (const Json* others = schema.find("additionalProperties"); others && !declared)
      result.push_back(schema.child("additionalProperties", *others));
  }
  return result;
}

ObjectShape SchemaDocument::object(const Conjunction& all) const {
  ObjectShape shape;
  const auto add = [&](const std::string& name) {
    if (shape.properties.try_emplace(name).second) shape.names.push_back(name);
  };
  for (const Subschema& schema : all) {
    const Json *properties = schema.find("properties"), *patterns = schema.find("patternProperties"),
               *others = schema.find("additionalProperties"), *unevaluated = schema.find("unevaluatedProperties");
    if (unevaluated && *unevaluated == false && !schema.outermost)
      refuse_schema(schema.pointer + "/unevaluatedProperties", "unevaluatedProperties beside other schemas");
    if (properties)
      for (auto i = properties->begin(); i != properties->end(); ++i) add(i.key());
    shape.declares |= properties || patterns || (unevaluated && *unevaluated == false);
    shape.asks |= (patterns && !patterns->empty()) || (others && *others != false);
    restrict_counts(schema, "minProperties", "maxProperties", shape);
  }
  for (const Subschema& schema : all)
    if (const Json* required = schema.find("required"))
      for (const Json& name : *required) {
        add(name.get<std::string>());
        shape.required.insert(name.get<std::string>());
      }
  for (auto& [name, schemas] : shape.properties) schemas = property(all, name);
  return shape;
}

ArrayShape SchemaDocument::array(const Conjunction& all) const {
  ArrayShape shape;
  bool asks = false;
  const auto prefix_of = [](const Subschema& schema) {
    const Json* items = schema.find("items");
    if (items && items->is_array()) return std::pair(items, schema.child("items", *items));  // before 2020
    const Json* prefix = schema.find("prefixItems");
    return std::pair(prefix, prefix ? schema.child("prefixItems", *prefix) : schema);
  };
  for (const Subschema& schema : all) {
    const Json* prefix = prefix_of(schema).first;
    const Json* unevaluated = schema.find("unevaluatedItems");
    if (unevaluated && *unevaluated == false && !schema.outermost)
      refuse_schema(schema.pointer + "/unevaluatedItems", "unevaluatedItems beside other schemas");
    if (prefix) shape.prefix.resize(std::max(shape.prefix.size(), prefix->size()));
    if (unevaluated && *unevaluated == false) shape.goes_on = false;
    restrict_counts(schema, "minItems", "maxItems", shape);
  }
  for (const Subschema& schema : all) {
    const auto [prefix, list] = prefix_of(schema);
    const std::string_view word =
        schema.find("items") && schema.find("items")->is_array() ? "additionalItems" : "items";
    const Json* others = schema.find(word);
    for (std::size_t i = 0; i < shape.prefix.size(); ++i) {
      if (prefix && i < prefix->size())
        shape.prefix[i].push_back(list.child(std::to_string(i), (*prefix)[i]));
      else if (others)
        shape.prefix[i].push_back(schema.child(word, *others));
    }
    if (others) shape.items.push_back(schema.child(word, *others));
    asks |= others && *others != false;
  }
  if (asks)
    shape.goes_on = true;
  else if (shape.goes_on)
    shape.goes_on = shape.prefix.empty() || shape.minimum > shape.prefix.size();
  return shape;
}

StringShape SchemaDocument::string(const Conjunction& all) const {
  StringShape shape;
  for (const Subschema& schema : all) {
    restrict_counts(schema, "minLength", "maxLength", shape);
    if (const Json* pattern = schema.find("pattern"))
      shape.patterns.push_back(pattern_at(pattern->get<std::string>(), schema.pointer + "/pattern"));
    if (const Json* format = schema.find("format"))
      if (auto regex = format_regex(format->get<std::string>(), schema.pointer + "/format"))
        shape.patterns.push_back(std::move(*regex));
  }
  return shape;
}

Language StringShape::language() const {
  Language language =
      minimum > 0 || maximum != Regex::unbounded ? Language::of_length(minimum, maximum) : Language::all();
  for (const Regex& pattern : patterns) language = Language::of(pattern).intersection(language);
  return language;
}

NumberLimits SchemaDocument::number(const Conjunction& all, bool integer) const {
  NumberLimits limits{.integer = integer};
  for (const Subschema& schema : all) {
    const auto read = [&](std::string_view word) -> std::optional<Decimal> {
      const Json* value = schema.find(word);
      if (!value || !value->is_number()) return {};
      return at_pointer(schema.pointer + "/" + std::string(word), [&] { return Decimal::parse(value->dump()); });
    };
    const auto restrict = [&](std::string_view word, bool exclusive, auto side) {
      if (auto value = read(word)) {
        NumberLimits own;
        own.*side = {std::move(*value), exclusive};
        limits.restrict(own);
      }
    };
    const auto says = [&](std::string_view word) { return schema.find(word) && *schema.find(word) == true; };
    restrict("minimum", says("exclusiveMinimum"), &NumberLimits::minimum);
    restrict("maximum", says("exclusiveMaximum"), &NumberLimits::maximum);
    restrict("exclusiveMinimum", true, &NumberLimits::minimum);
    restrict("exclusiveMaximum", true, &NumberLimits::maximum);
    const auto multiple = read("multipleOf");
    at_pointer(schema.pointer + "/multipleOf", [&] {
      limits.restrict({.multiple_of = multiple});
      return 0;
    });
  }
  return limits;
}

}  // namespace hearth::sample
