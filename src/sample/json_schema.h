// JSON Schema to grammar: whatever is written under it is JSON and valid.
#pragma once

#include <nlohmann/json.hpp>

#include "sample/grammar.h"

namespace hearth::sample {

// Draft 2020-12 (and what earlier drafts write differently: definitions, items as an array, boolean exclusiveMinimum).
// Everything in the schema is kept to, or the schema is refused: bad_input where it is no schema or nothing is valid,
// unsupported where it asks for what a grammar cannot do (uniqueItems, not, if, contains, dependent*, alternatives of
// oneOf that may overlap ...), too_long where it is too large; each names the place as a JSON pointer. Words that the
// standard does not know are ignored, as it says.
//
// What is written is narrower than what is valid:
// - properties come in the order of the schema, others after them; others are written only where additionalProperties
//   or patternProperties asks for them, or no properties are declared; likewise items beyond prefixItems;
// - a schema without `type` is taken to be of the types that its words speak of;
// - blanks are at most one space, or a line's end and its indentation, after { [ , and before } ]; one space after a
// colon;
// - numbers have at most 18 digits before and 16 after the point, and exponents only where they have no bounds;
// - strings with pattern, format or excluded names use escapes only where JSON demands them.
Grammar from_json_schema(const nlohmann::ordered_json& schema);

// Any JSON object.
Grammar json_object_grammar();

}  // namespace hearth::sample
