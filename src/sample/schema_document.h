// A JSON Schema read: words checked, references resolved, what must hold together gathered.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "sample/language.h"
#include "sample/number_grammar.h"

namespace hearth::sample {

using Json = nlohmann::ordered_json;

// One schema of the document.
struct Subschema {
  const Json* json;
  std::string pointer;       // where it stands
  bool any_of_done = false;  // one of its alternatives stands beside it
  bool one_of_done = false;
  bool ignores_values = false;  // its enum and const have been seen to
  bool outermost = false;       // nothing but what it names holds beside it
  bool flat = false;            // what it refers to and its allOf stand beside it

  const Json* find(std::string_view word) const;
  Subschema child(std::string_view word, const Json& value) const;
};
// All of which must hold.
using Conjunction = std::vector<Subschema>;

enum class Type : std::uint8_t { null, boolean, object, array, string, number, integer };
using Types = std::set<Type>;

// What a conjunction without references and alternatives says of objects.
struct ObjectShape {
  std::vector<std::string> names;  // declared or required, in order
  std::map<std::string, Conjunction, std::less<>> properties;
  std::set<std::string, std::less<>> required;
  bool declares = false;  // some properties are declared: others are written only when asked for
  bool asks = false;      // for others
  std::uint32_t minimum = 0, maximum = Regex::unbounded;
};

struct ArrayShape {
  std::vector<Conjunction> prefix;
  Conjunction items;
  bool goes_on = true;  // beyond the prefix
  std::uint32_t minimum = 0, maximum = Regex::unbounded;
};

struct StringShape {
  std::vector<Regex> patterns;  // formats too
  std::uint32_t minimum = 0, maximum = Regex::unbounded;

  bool free() const noexcept { return patterns.empty() && minimum == 0 && maximum == Regex::unbounded; }
  Language language() const;
};

Type type_of(const Json& value);

class SchemaDocument {
 public:
  // Borrows `root`. Throws as from_json_schema, for faults of the whole; those of a subschema when it is looked at.
  explicit SchemaDocument(const Json& root);

  Conjunction root() const;
  // With what $ref and allOf name put beside it, each schema once, `true` left out; nothing where it includes `false`.
  std::optional<Conjunction> flatten(Conjunction all) const;

  // Of flattened conjunctions.
  Types types(const Conjunction& all) const;                              // that are written
  Types valid_types(const Conjunction& all) const;                        // that may be
  std::optional<std::vector<Json>> values(const Conjunction& all) const;  // of enum and const, where there are any
  ObjectShape object(const Conjunction& all) const;
  // What holds for the value of a property; of one that is not declared, what additionalProperties says.
  Conjunction property(const Conjunction& all, const std::string& name) const;
  const Language& pattern(const std::string& text, const std::string& pointer) const;
  ArrayShape array(const Conjunction& all) const;
  StringShape string(const Conjunction& all) const;
  NumberLimits number(const Conjunction& all, bool integer) const;

  // True only where nothing that is written for `written` is valid under `valid`.
  bool disjoint(const Conjunction& written, const Conjunction& valid) const;

 private:
  void check(const Subschema& schema) const;
  Subschema resolve(const Subschema& schema, const std::string& reference) const;

  const Json& root_;
  std::map<std::string, Subschema> anchors_;
  mutable std::map<std::string, Language> patterns_;  // of patternProperties
};

// Errors that name their place.
[[noreturn]] void fail_schema(const std::string& pointer, std::string_view what);
[[noreturn]] void refuse_schema(const std::string& pointer, std::string_view what);
template <class Make>
auto at_pointer(const std::string& pointer, Make make) {
  try {
    return make();
  } catch (const Error& error) {
    throw Error(error.code(), error.what(), "at #" + pointer + " of the schema");
  }
}

// The regular expression of a format of the standard; none where it is unknown, and so says nothing.
// Throws unsupported for those that are known and not one.
std::optional<Regex> format_regex(const std::string& format, const std::string& pointer);

}  // namespace hearth::sample
