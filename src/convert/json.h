// JSON files of checkpoints, read with errors that name the file and the key.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace hearth::convert {

using Json = nlohmann::json;

// Throws bad_input naming `origin` for what is no JSON, nests deeper than 64, or names a key twice in one object.
Json parse_json(std::string_view text, const std::string& origin);
Json read_json(const std::filesystem::path& path);
// Null (the JSON value) where there is no such file.
Json read_json_if_there(const std::filesystem::path& path);

// An object and the name of its file. Of several keys the first that is there and not null counts.
class JsonObject {
 public:
  using Keys = std::initializer_list<std::string_view>;

  // Throws bad_input where `json` is no object.
  JsonObject(Json json, std::string origin);

  const Json& json() const& noexcept { return json_; }
  Json json() && = delete;  // would leave a reference to nothing in a range-for
  const std::string& origin() const noexcept { return origin_; }
  const Json* find(Keys keys) const;
  bool has(std::string_view key) const { return find({key}) != nullptr; }

  // Throw bad_input naming file and key where the value is of another type; not_found where it is absent and there is
  // no default.
  std::uint64_t integer(Keys keys) const;
  std::uint64_t integer(Keys keys, std::uint64_t absent) const;
  double number(Keys keys) const;
  double number(Keys keys, double absent) const;
  bool boolean(std::string_view key, bool absent) const;
  std::string string(std::string_view key, std::string_view absent) const;
  // An object at `key`, or an empty one.
  JsonObject object(std::string_view key) const;

  [[noreturn]] void fail(std::string_view fault) const;  // bad_input: FAULT, origin

 private:
  const Json& require(Keys keys) const;
  bool has_any(Keys keys) const { return find(keys) != nullptr; }

  Json json_;
  std::string origin_;
};

}  // namespace hearth::convert
