#include "gguf/json.h"

#include <algorithm>

namespace hearth::gguf {

namespace {

using nlohmann::ordered_json;

template <class T>
ordered_json element(const T& value, std::size_t most) {
  if constexpr (std::is_same_v<T, Value>)
    return std::visit([most](const auto& inner) { return element(inner, most); }, value.data);
  else if constexpr (std::is_same_v<T, Array>)
    return std::visit(
        [most](const auto& items) {
          using Item = typename std::decay_t<decltype(items)>::value_type;
          const std::size_t shown = most ? std::min(most, items.size()) : items.size();
          ordered_json list = ordered_json::array();
          for (std::size_t i = 0; i < shown; ++i) list.push_back(element(Item(items[i]), most));
          if (items.size() > shown) return ordered_json{{"length", items.size()}, {"first", list}};
          return list;
        },
        value);
  else
    return value;
}

}  // namespace

ordered_json to_json(const Value& value, std::size_t most_elements) {
  return element(value, most_elements);
}

ordered_json to_json(const Metadata& metadata, std::size_t most_elements) {
  ordered_json object = ordered_json::object();
  for (const auto& [key, value] : metadata.entries()) object[key] = to_json(value, most_elements);
  return object;
}

}  // namespace hearth::gguf
