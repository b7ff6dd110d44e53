// JSON Schema, checked by the book: what the answers under a schema are held against.
#pragma once

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>

namespace hearth::sample::tests {

class Validator {
 public:
  using Json = nlohmann::ordered_json;
  explicit Validator(const Json& root) : root_(root) {}
  bool valid(const Json& value) const { return valid(value, root_); }

 private:
  static bool is_type(const Json& value, const std::string& type) {
    const bool whole = value.is_number_integer() || (value.is_number() && value == std::floor(value.get<double>()));
    return (type == "null" && value.is_null()) || (type == "boolean" && value.is_boolean()) ||
           (type == "object" && value.is_object()) || (type == "array" && value.is_array()) ||
           (type == "string" && value.is_string()) || (type == "number" && value.is_number()) ||
           (type == "integer" && whole);
  }
  // std::regex knows bytes only: ~ stands for what is not ASCII.
  static bool found(const std::string& pattern, const std::string& text) {
    std::string ascii;
    for (const char c : text)
      if ((c & 0xc0) != 0x80) ascii += c & 0x80 ? '~' : c;
    return std::regex_search(ascii, std::regex(pattern));
  }
  static std::size_t length(const std::string& text) {
    return std::size_t(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
  }

  bool valid(const Json& value, const Json& schema) const {
    if (schema.is_boolean()) return schema.get<bool>();
    const auto says = [&](const char* word) { return schema.contains(word); };
    const auto each = [&](const char* word) {
      return says(word) ? std::count_if(schema[word].begin(), schema[word].end(),
                                        [&](const Json& s) { return valid(value, s); })
                        : 0;
    };
    if (says("$ref") && !valid(value, resolve(schema["$ref"]))) return false;
    if (says("allOf") && each("allOf") != std::ptrdiff_t(schema["allOf"].size())) return false;
    if (says("anyOf") && each("anyOf") == 0) return false;
    if (says("oneOf") && each("oneOf") != 1) return false;
    const auto is_value = [&](const auto& given) { return nlohmann::json(given) == nlohmann::json(value); };
    if (says("const") && !is_value(schema["const"])) return false;
    if (says("enum") && std::none_of(schema["enum"].begin(), schema["enum"].end(), is_value)) return false;
    if (says("type")) {
      const Json types = schema["type"].is_array() ? schema["type"] : Json::array({schema["type"]});
      if (std::none_of(types.begin(), types.end(), [&](const Json& t) { return is_type(value, t); })) return false;
    }
    if (value.is_object()) return valid_object(value, schema);
    if (value.is_array()) return valid_array(value, schema);
    if (value.is_string()) return valid_string(value.get<std::string>(), schema);
    return !value.is_number() || valid_number(value.get<double>(), schema);
  }

  bool valid_object(const Json& value, const Json& schema) const {
    if (value.size() < schema.value("minProperties", 0u) || value.size() > schema.value("maxProperties", 1u << 30))
      return false;
    for (const Json& name : schema.value("required", Json::array()))
      if (!value.contains(name.get<std::string>())) return false;
    const Json properties = schema.value("properties", Json::object()),
               patterns = schema.value("patternProperties", Json::object());
    for (auto i = value.begin(); i != value.end(); ++i) {
      bool evaluated = properties.contains(i.key());
      if (evaluated && !valid(*i, properties[i.key()])) return false;
      for (auto p = patterns.begin(); p != patterns.end(); ++p) {
        if (!found(p.key(), i.key())) continue;
        evaluated = true;
        if (!valid(*i, *p)) return false;
      }
      if (!evaluated && schema.contains("additionalProperties") && !valid(*i, schema["additionalProperties"]))
        return false;
      if (schema.contains("propertyNames") && !valid(i.key(), schema["propertyNames"])) return false;
    }
    return true;
  }

  bool valid_array(const Json& value, const Json& schema) const {
    if (value.size() < schema.value("minItems", 0u) || value.size() > schema.value("maxItems", 1u << 30)) return false;
    const bool old = schema.contains("items") && schema["items"].is_array();
    const Json prefix = old ? schema["items"] : schema.value("prefixItems", Json::array());
    const Json others = schema.value(old ? "additionalItems" : "items", Json(true));
    for (std::size_t i = 0; i < value.size(); ++i)
      if (!valid(value[i], i < prefix.size() ? prefix[i] : others)) return false;
    return true;
  }

  static bool valid_string(const std::string& text, const Json& schema) {
    return length(text) >= schema.value("minLength", 0u) && length(text) <= schema.value("maxLength", 1u << 30) &&
           (!schema.contains("pattern") || found(schema["pattern"], text));
  }

  static bool valid_number(double x, const Json& schema) {
    const auto bound = [&](const char* word) { return schema.contains(word) && schema[word].is_number(); };
    const auto excluded = [&](const char* word) { return schema.contains(word) && schema[word] == true; };
    if (bound("minimum") && (x < schema["minimum"] || (x == schema["minimum"] && excluded("exclusiveMinimum"))))
      return false;
    if (bound("maximum") && (x > schema["maximum"] || (x == schema["maximum"] && excluded("exclusiveMaximum"))))
      return false;
    if (bound("exclusiveMinimum") && x <= schema["exclusiveMinimum"]) return false;
    if (bound("exclusiveMaximum") && x >= schema["exclusiveMaximum"]) return false;
    // Beyond 2^53 a double no longer tells multiples apart.
    return !bound("multipleOf") || std::abs(x) > 9e15 || std::fmod(x, schema["multipleOf"].get<double>()) == 0;
  }

  Json resolve(const std::string& reference) const {
    if (reference == "#coordinate") return root_["$defs"]["c"];
    std::string pointer = reference.substr(1);
    for (std::size_t at; (at = pointer.find("%20")) != pointer.npos;) pointer.replace(at, 3, 1, ' ');
    return root_.at(Json::json_pointer(pointer));
  }

  const Json& root_;
};

}  // namespace hearth::sample::tests
