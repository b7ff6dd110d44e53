#include "convert/json.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"

namespace hearth::convert {

Json parse_json(std::string_view text, const std::string& origin) {
  constexpr int depth_limit = 64;
  std::vector<std::set<std::string>> seen;  // keys of the objects that are open
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > depth_limit)
      throw Error(Code::bad_input, fmt::format("JSON nests deeper than {}", depth_limit), origin);
    if (event == Json::parse_event_t::object_start) seen.emplace_back();
    if (event == Json::parse_event_t::object_end) seen.pop_back();
    if (event == Json::parse_event_t::key && !seen.back().insert(parsed.get<std::string>()).second)
      throw Error(Code::bad_input, fmt::format("\"{}\" appears twice", parsed.get<std::string>().substr(0, 80)),
                  origin);
    return true;
  };
  try {
    return Json::parse(text, watch);
  } catch (const Json::exception& fault) {
    std::string_view what = fault.what();  // [json.exception.parse_error.101] parse error at line ...
    if (const auto bracket = what.find("] "); bracket != what.npos) what.remove_prefix(bracket + 2);
    throw Error(Code::bad_input, what.substr(0, 200), origin);
  }
}

Json read_json(const std::filesystem::path& path) {
  return parse_json(MappedFile(path).text(), path.string());
}

Json read_json_if_there(const std::filesystem::path& path) {
  return std::filesystem::exists(path) ? read_json(path) : Json();
}

namespace {

std::optional<std::uint64_t> as_integer(const Json& value) {
  if (value.is_number_unsigned()) return value.get<std::uint64_t>();
  if (value.is_number_float()) {  // 1e6 and 4096.0 stand for integers now and then
    const double number = value.get<double>();
    if (number >= 0 && number < 9007199254740992.0 && number == static_cast<double>(static_cast<std::uint64_t>(number)))
      return static_cast<std::uint64_t>(number);
  }
  return std::nullopt;
}

}  // namespace

JsonObject::JsonObject(Json json, std::string origin) : json_(std::move(json)), origin_(std::move(origin)) {
  if (!json_.is_object()) fail("not a JSON object");
}

void JsonObject::fail(std::string_view fault) const {
  throw Error(Code::bad_input, fault, origin_);
}

const Json* JsonObject::find(Keys keys) const {
  for (const std::string_view key : keys) {
    const auto found = json_.find(key);
    if (found != json_.end() && !found->is_null()) return &*found;
  }
  return nullptr;
}

std::uint64_t JsonObject::integer(Keys keys, std::uint64_t absent) const {
  return has_any(keys) ? integer(keys) : absent;
}

std::uint64_t JsonObject::integer(Keys keys) const {
  const Json& value = require(keys);
  if (const auto integer = as_integer(value)) return *integer;
  fail(fmt::format("{} is not an integer of at least 0", fmt::join(keys, " or ")));
}

double JsonObject::number(Keys keys, double absent) const {
  return has_any(keys) ? number(keys) : absent;
}

double JsonObject::number(Keys keys) const {
  const Json& value = require(keys);
  if (!value.is_number()) fail(fmt::format("{} is not a number", fmt::join(keys, " or ")));
  return value.get<double>();
}

bool JsonObject::boolean(std::string_view key, bool absent) const {
  const Json* value = find({key});
  if (value && !value->is_boolean()) fail(fmt::format("{} is neither true nor false", key));
  return value ? value->get<bool>() : absent;
}

std::string JsonObject::string(std::string_view key, std::string_view absent) const {
  const Json* value = find({key});
  if (value && !value->is_string()) fail(fmt::format("{} is not a string", key));
  return value ? value->get<std::string>() : std::string(absent);
}

JsonObject JsonObject::object(std::string_view key) const {
  const Json* value = find({key});
  if (value && !value->is_object()) fail(fmt::format("{} is not an object", key));
  return JsonObject(value ? *value : Json::object(), origin_);
}

const Json& JsonObject::require(Keys keys) const {
  if (const Json* value = find(keys)) return *value;
  throw Error(Code::not_found, fmt::format("{} is missing", fmt::join(keys, " or ")), origin_);
}

}  // namespace hearth::convert
