// What an import reads beside tensors: the first byte says which file the rest is.
#include <cstdint>

#include "base/error.h"
#include "convert/hyperparameters.h"
#include "convert/model_card.h"
#include "convert/vocabulary.h"

namespace {

using namespace hearth;

void read_config(std::string_view text) {
  const convert::JsonObject whole(convert::parse_json(text, "config.json"), "config.json");
  const convert::Json* classes = whole.find({"architectures"});
  if (!classes || !classes->is_array() || classes->empty() || !(*classes)[0].is_string()) return;
  const convert::Family& family = convert::find_family((*classes)[0].get<std::string>(), "config.json");
  const convert::JsonObject config = convert::text_config(family, whole);
  const convert::Dimensions dimensions = convert::dimensions(family, config);
  gguf::Metadata metadata("config.json");
  convert::add_hyperparameters(family, config, dimensions, metadata);
  convert::rope_factors(family, config, dimensions);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  try {
    switch (data[0] % 5) {
      case 0:
        convert::parse_tokenizer_json(convert::parse_json(text, "tokenizer.json"), "tokenizer.json");
        break;
      case 1:
        convert::parse_sentencepiece(text, "tokenizer.model");
        break;
      case 2:
        read_config(text);
        break;
      case 3:
        convert::parse_model_card(text);
        break;
      default:
        convert::map_tensor(convert::families()[text.size() % convert::families().size()], text, "model.safetensors");
    }
  } catch (const Error&) {
  }
  return 0;
}
