#include "sample/schema_document.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"

namespace hearth::sample {

void fail_schema(const std::string& pointer, std::string_view what) {
  throw Error(Code::bad_input, what, fmt::format("at #{} of the schema", pointer));
}

void refuse_schema(const std::string& pointer, std::string_view what) {
  throw Error(Code::unsupported, fmt::format("{} cannot be kept to by a grammar", what),
              fmt::format("at #{} of the schema", pointer));
}

namespace {

std::string escape_pointer(std::string_view word) {
  std::string escaped;
  for (const char c : word) {
    if (c == '~')
      escaped += "~0";
    else if (c == '/')
      escaped += "~1";
    else
      escaped += c;
  }
  return escaped;
}

std::optional<std::string> unescape_pointer(std::string_view word) {
  std::string plain;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (word[i] != '~') {
      plain += word[i];
      continue;
    }
    if (++i == word.size() || (word[i] != '0' && word[i] != '1')) return {};
    plain += word[i] == '0' ? '~' : '/';
  }
  return plain;
}

// %41 is A: pointers in references are parts of addresses.
std::string unescape_percent(std::string_view text) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0) {
      plain += char(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

enum class Word : std::uint8_t {
  says_nothing,  // an annotation, or seen to elsewhere
  refused,
  false_only,  // refused unless it is false
  type,
  values,
  schema,
  schemas,        // an array of them
  items,          // a schema, or an array of them
  named_schemas,  // an object of them
  names,
  count,
  number,
  bound,  // a number, or a boolean as in draft 4
  positive,
  text,
};

const std::map<std::string_view, Word> words = {
    {"$defs", Word::named_schemas},
    {"definitions", Word::named_schemas},
    {"$ref", Word::text},
    {"$dynamicRef", Word::refused},
    {"$recursiveRef", Word::refused},
    {"allOf", Word::schemas},
    {"anyOf", Word::schemas},
    {"oneOf", Word::schemas},
    {"not", Word::refused},
    {"if", Word::refused},
    {"then", Word::refused},
    {"else", Word::refused},
    {"type", Word::type},
    {"enum", Word::values},
    {"const", Word::says_nothing},
    {"properties", Word::named_schemas},
    {"patternProperties", Word::named_schemas},
    {"additionalProperties", Word::schema},
    {"unevaluatedProperties", Word::false_only},
    {"propertyNames", Word::schema},
    {"required", Word::names},
    {"minProperties", Word::count},
    {"maxProperties", Word::count},
    {"dependentRequired", Word::refused},
    {"dependentSchemas", Word::refused},
    {"dependencies", Word::refused},
    {"prefixItems", Word::schemas},
    {"items", Word::items},
    {"additionalItems", Word::schema},
    {"unevaluatedItems", Word::false_only},
    {"contains", Word::refused},
    {"uniqueItems", Word::false_only},
    {"minItems", Word::count},
    {"maxItems", Word::count},
    {"pattern", Word::text},
    {"format", Word::text},
    {"minLength", Word::count},
    {"maxLength", Word::count},
    {"minimum", Word::number},
    {"maximum", Word::number},
    {"exclusiveMinimum", Word::bound},
    {"exclusiveMaximum", Word::bound},
    {"multipleOf", Word::positive},
};

bool is_schema(const Json& json) {
  return json.is_object() || json.is_boolean();
}
bool are_schemas(const Json& json) {
  return std::all_of(json.begin(), json.end(), is_schema);
}
bool is_type(const Json& json) {
  constexpr std::array names = {"null", "boolean", "object", "array", "string", "number", "integer"};
  return json.is_string() && std::find(names.begin(), names.end(), json.get_ref<const std::string&>()) != names.end();
}
bool is_count(const Json& json) {
  return json.is_number_unsigned() || (json.is_number() && json.get<double>() >= 0 && json.get<double>() < 1e15 &&
                                       json.get<double>() == double(json.get<std::int64_t>()));
}

// What a word must be followed by, and whether it is.
std::pair<bool, std::string_view> check_value(Word word, const Json& value) {
  switch (word) {
    case Word::says_nothing:
    case Word::refused:
      break;
    case Word::false_only:
      return {is_schema(value), "a schema or a boolean"};
    case Word::type:
      return {
          is_type(value) || (value.is_array() && !value.empty() && std::all_of(value.begin(), value.end(), is_type)),
          "the name of a type, or some in an array"};
    case Word::values:
      return {value.is_array() && !value.empty(), "an array of values"};
    case Word::schema:
      return {is_schema(value), "a schema"};
    case Word::schemas:
      return {value.is_array() && !value.empty() && are_schemas(value), "an array of schemas"};
    case Word::items:
      return {is_schema(value) || (value.is_array() && are_schemas(value)), "a schema"};
    case Word::named_schemas:
      return {value.is_object() && are_schemas(value), "an object of schemas"};
    case Word::names:
      return {value.is_array() && std::all_of(value.begin(), value.end(), [](const Json& n) { return n.is_string(); }),
              "an array of names"};
    case Word::count:
      return {is_count(value), "a whole number, 0 or more"};
    case Word::number:
      return {value.is_number(), "a number"};
    case Word::bound:
      return {value.is_number() || value.is_boolean(), "a number"};
    case Word::positive:
      return {value.is_number() && value.get<double>() > 0, "a number above 0"};
    case Word::text:
      return {value.is_string(), "a string"};
  }
  return {true, {}};
}

void check_depth(const Json& root) {
  constexpr std::size_t deepest = 128;
  std::vector<std::pair<const Json*, std::size_t>> todo = {{&root, 0}};
  while (!todo.empty()) {
    const auto [json, depth] = todo.back();
    todo.pop_back();
    if (depth > deepest) throw Error(Code::too_long, "the schema is nested too deeply", "more than 128 levels");
    if (json->is_structured())
      for (const Json& child : *json) todo.push_back({&child, depth + 1});
  }
}

}  // namespace

const Json* Subschema::find(std::string_view word) const {
  const auto found = json->find(word);
  return found == json->end() ? nullptr : &*found;
}

Subschema Subschema::child(std::string_view word, const Json& value) const {
  return {.json = &value, .pointer = pointer + "/" + escape_pointer(word)};
}

SchemaDocument::SchemaDocument(const Json& root) : root_(root) {
  check_depth(root);
  std::vector<Subschema> todo = {{.json = &root, .pointer = {}}};
  while (!todo.empty()) {
    const Subschema at = todo.back();
    todo.pop_back();
    if (!at.json->is_structured()) continue;
    if (at.json->is_object())
      if (const Json* anchor = at.find("$anchor"); anchor && anchor->is_string())
        anchors_.try_emplace(anchor->get<std::string>(), at);
    std::size_t index = 0;
    for (auto i = at.json->begin(); i != at.json->end(); ++i)
      todo.push_back(at.child(at.json->is_object() ? i.key() : std::to_string(index++), *i));
  }
}

Conjunction SchemaDocument::root() const {
  return {{.json = &root_, .pointer = {}}};
}

void SchemaDocument::check(const Subschema& schema) const {
  for (auto i = schema.json->begin(); i != schema.json->end(); ++i) {
    const auto known = words.find(i.key());
    if (known == words.end()) continue;
    const std::string pointer = schema.pointer + "/" + escape_pointer(i.key());
    const auto [right, expected] = check_value(known->second, *i);
    if (!right) fail_schema(pointer, fmt::format("{} must be {}", i.key(), expected));
    if (known->second == Word::refused ||
        (known->second == Word::false_only && *i != false && !(i.key() == "unevaluatedProperties" && *i == true) &&
         !(i.key() == "unevaluatedItems" && *i == true)))
      refuse_schema(pointer, i.key());
  }
}

Subschema SchemaDocument::resolve(const Subschema& schema, const std::string& reference) const {
  const auto missing = [&]() { fail_schema(schema.pointer + "/$ref", fmt::format("there is no {}", reference)); };
  std::string_view fragment = reference;
  const Json* id = root_.is_object() && root_.contains("$id") ? &root_["$id"] : nullptr;
  if (id && id->is_string() && !id->get_ref<const std::string&>().empty() &&
      fragment.starts_with(id->get_ref<const std::string&>()))
    fragment.remove_prefix(id->get_ref<const std::string&>().size());
  if (!fragment.empty() && fragment[0] != '#')
    refuse_schema(schema.pointer + "/$ref", fmt::format("a reference to another document ({})", reference));
  const std::string path = unescape_percent(fragment.substr(std::min<std::size_t>(1, fragment.size())));
  Subschema at{.json = &root_, .pointer = {}};
  if (!path.empty() && path[0] != '/') {
    const auto anchor = anchors_.find(path);
    if (anchor == anchors_.end()) missing();
    return anchor->second;
  }
  for (std::size_t start = path.empty() ? path.npos : 0; start != path.npos;) {
    const std::size_t end = path.find('/', start + 1);
    const auto word =
        unescape_pointer(std::string_view(path).substr(start + 1, end == path.npos ? end : end - start - 1));
    start = end;
    if (!word) missing();
    const Json* next = nullptr;
    if (at.json->is_object()) {
      next = at.find(*word);
    } else if (at.json->is_array() && !word->empty() && word->size() < 10 &&
               word->find_first_not_of("0123456789") == word->npos) {
      const std::size_t index = std::stoul(*word);
      if (index < at.json->size()) next = &(*at.json)[index];
    }
    if (!next) missing();
    at = at.child(*word, *next);
  }
  return at;
}

std::optional<Conjunction> SchemaDocument::flatten(Conjunction all) const {
  if (all.size() == 1) all[0].outermost = true;
  Conjunction result;
  std::set<std::pair<const Json*, int>> seen;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Subschema schema = all[i];
    const int done = schema.any_of_done + 2 * schema.one_of_done + 4 * schema.ignores_values;
    if (!seen.insert({schema.json, done}).second) continue;
    if (schema.flat) {
      result.push_back(schema);
      continue;
    }
    if (schema.json->is_boolean()) {
      if (!schema.json->get<bool>()) return {};
      continue;
    }
    if (!schema.json->is_object()) fail_schema(schema.pointer, "a schema must be an object or a boolean");
    check(schema);
    bool says_more = false;
    for (auto word = schema.json->begin(); word != schema.json->end(); ++word)
      says_more |= words.contains(word.key()) && word.key() != "$ref" && word.key() != "allOf" &&
                   word.key() != "$defs" && word.key() != "definitions";
    if (const Json* reference = schema.find("$ref")) {
      all.push_back(resolve(schema, reference->get<std::string>()));
      all.back().outermost = schema.outermost && !says_more;
    }
    if (const Json* parts = schema.find("allOf")) {
      const Subschema list = schema.child("allOf", *parts);
      for (std::size_t p = 0; p < parts->size(); ++p) all.push_back(list.child(std::to_string(p), (*parts)[p]));
    }
    if (!says_more) continue;
    result.push_back(schema);
    result.back().flat = true;
  }
  return result;
}

}  // namespace hearth::sample
