#include "capi/arguments.h"

#include "base/utf8.h"

namespace hearth::capi {

std::string_view utf8(const char* text, std::size_t length, const char* name) {
  const std::string_view view = bytes(text, length, name);
  if (!is_utf8(view)) throw Error(Code::bad_input, fmt::format("{} is not valid UTF-8", name));
  return view;
}

namespace {
constexpr int deepest = 200;  // what handles JSON further on recurses
}

nlohmann::ordered_json any_json(const char* text, const char* name) {
  need(text, name);
  const auto bound_depth = [name](int depth, nlohmann::ordered_json::parse_event_t, nlohmann::ordered_json&) {
    if (depth > deepest) throw Error(Code::bad_input, fmt::format("{} is nested too deeply", name));
    return true;
  };
  auto value = nlohmann::ordered_json::parse(text, bound_depth, false);
  if (value.is_discarded()) throw Error(Code::bad_input, fmt::format("{} is not JSON", name));
  return value;
}

nlohmann::ordered_json json(const char* text, nlohmann::json::value_t type, const char* name, bool optional) {
  if (!text && optional) return nullptr;
  auto value = any_json(text, name);
  if (value.type() != type)
    throw Error(Code::bad_input, fmt::format("{} is not a JSON {}", name, nlohmann::ordered_json(type).type_name()));
  return value;
}

namespace {
void* allocate(std::size_t size) {
  void* const memory = std::malloc(size);
  if (!memory) throw std::bad_alloc();
  return memory;
}
}  // namespace

char* copy_text(std::string_view text) {
  char* const copy = static_cast<char*>(allocate(text.size() + 1));
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = 0;
  return copy;
}

Token* copy_tokens(std::span<const Token> tokens) {
  if (tokens.empty()) return nullptr;
  auto* const copy = static_cast<Token*>(allocate(tokens.size_bytes()));
  std::memcpy(copy, tokens.data(), tokens.size_bytes());
  return copy;
}

void give_text(std::string_view value, char** text, std::size_t* length) {
  *text = copy_text(value);
  if (length) *length = value.size();
}

std::string valid_utf8(std::string_view text) {
  std::string valid;
  while (!text.empty()) {
    const std::size_t good = utf8_valid_prefix(text);
    valid += text.substr(0, good);
    text.remove_prefix(good);
    if (text.empty()) break;
    valid += "\xef\xbf\xbd";
    text.remove_prefix(1);
  }
  return valid;
}

}  // namespace hearth::capi
