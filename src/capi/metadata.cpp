#include "capi/arguments.h"
#include "capi/model.h"
#include "gguf/json.h"

using namespace hearth;
using namespace hearth::capi;

namespace {
char* copy_json(const nlohmann::ordered_json& value) {
  return copy_text(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}
}  // namespace

hearth_status hearth_model_metadata_count(hearth_model* model, size_t* count, hearth_error** error) {
  return guard(error, [&] {
    need(count, "count");
    *count = 0;
    *count = get(model)->metadata().entries().size();
  });
}

hearth_status hearth_model_metadata_key(hearth_model* model, size_t index, char** key, hearth_error** error) {
  return guard(error, [&] {
    need(key, "key");
    *key = nullptr;
    const auto opened = get(model);
    const auto entries = opened->metadata().entries();
    if (index >= entries.size())
      throw Error(Code::not_found, fmt::format("there is no metadata {} of {}", index, entries.size()));
    *key = copy_text(valid_utf8(entries[index].first));
  });
}

hearth_status hearth_model_metadata_get(hearth_model* model, const char* key, char** json, hearth_error** error) {
  return guard(error, [&] {
    need(json, "json");
    *json = nullptr;
    need(key, "key");
    const auto opened = get(model);
    const gguf::Value* const value = opened->metadata().find(key);
    if (!value)
      throw Error(Code::not_found, fmt::format("there is no metadata '{}'", key), opened->metadata().origin());
    *json = copy_json(gguf::to_json(*value));
  });
}

hearth_status hearth_model_metadata_json(hearth_model* model, size_t most_elements, char** json, hearth_error** error) {
  return guard(error, [&] {
    need(json, "json");
    *json = nullptr;
    const auto opened = get(model);
    *json = copy_json(gguf::to_json(opened->metadata(), most_elements));
  });
}
