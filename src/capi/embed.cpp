#include "engine/embed.h"

#include "capi/arguments.h"
#include "capi/cancellation.h"
#include "capi/model.h"

using namespace hearth;
using namespace hearth::capi;

namespace {

constexpr std::size_t options_v1 = sizeof(hearth_embed_options);
constexpr std::size_t at_once = 64;  // texts between two looks at the watch

hearth_embed_options defaults() {
  hearth_embed_options options{};
  options.struct_size = sizeof options;
  options.long_text = HEARTH_LONG_TEXT_REFUSE;
  options.normalise = 1;
  return options;
}

engine::LongText long_text(std::int32_t choice) {
  switch (choice) {
    case HEARTH_LONG_TEXT_REFUSE:
      return engine::LongText::refuse;
    case HEARTH_LONG_TEXT_TRUNCATE:
      return engine::LongText::truncate;
    case HEARTH_LONG_TEXT_MEAN:
      return engine::LongText::mean;
    default:
      throw Error(Code::usage, fmt::format("long_text is {}", choice), {}, "take one of HEARTH_LONG_TEXT_...");
  }
}

struct OwnedEmbeddings : hearth_embeddings {
  OwnedEmbeddings(std::vector<float> numbers, std::size_t texts, std::size_t each, std::size_t tokens)
      : hearth_embeddings{}, kept(std::move(numbers)) {
    struct_size = sizeof(hearth_embeddings);
    values = kept.data();
    count = texts;
    width = each;
    prompt_tokens = tokens;
  }
  OwnedEmbeddings(const OwnedEmbeddings&) = delete;
  OwnedEmbeddings& operator=(const OwnedEmbeddings&) = delete;

  const std::vector<float> kept;
};

}  // namespace

hearth_status hearth_embed_options_init(hearth_embed_options* options, size_t struct_size, hearth_error** error) {
  return guard(error, [&] { write(options, struct_size, defaults(), options_v1, "hearth_embed_options"); });
}

void hearth_embeddings_free(hearth_embeddings* embeddings) {
  delete static_cast<OwnedEmbeddings*>(embeddings);
}

hearth_status hearth_embed(hearth_model* model, const char* const* texts, const size_t* lengths, size_t count,
                           const hearth_embed_options* options, hearth_embeddings** embeddings, hearth_error** error) {
  return guard(error, [&] {
    need(embeddings, "embeddings");
    *embeddings = nullptr;
    const auto opened = get(model);
    const auto given = read(options, defaults(), options_v1, "hearth_embed_options");
    const Watch watch(given.on_progress, given.user, given.cancellation);
    engine::Embedder embedder(opened->engine());
    engine::EmbedOptions wanted{
        .long_text = long_text(given.long_text), .normalise = given.normalise != 0, .dimensions = given.dimensions};
    std::size_t begin = 0;
    wanted.between = [&] { watch.reach(double(begin) / double(count)); };
    const std::size_t width = given.dimensions ? given.dimensions : embedder.width();
    if (count > 0) need(texts, "texts");
    const std::string prefix(given.prefix ? utf8(given.prefix, "prefix") : std::string_view());

    std::vector<float> values;
    std::size_t tokens = 0;
    watch.reach(0);
    for (; begin < count; begin += at_once) {
      std::vector<std::string> some;
      wanted.first = begin;
      for (std::size_t i = begin; i < std::min(count, begin + at_once); ++i) {
        some.push_back(prefix);
        some.back() += utf8(texts[i], lengths ? lengths[i] : HEARTH_NUL_TERMINATED, "a text");
        tokens += opened->engine()->tokenizer().encode(some.back()).size();
      }
      for (const auto& vector : embedder.embed(some, wanted)) values.insert(values.end(), vector.begin(), vector.end());
      watch.reach(double(begin + some.size()) / double(count));
    }
    *embeddings = new OwnedEmbeddings(std::move(values), count, width, tokens);
  });
}
