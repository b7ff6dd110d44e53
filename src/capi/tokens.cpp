#include "capi/arguments.h"
#include "capi/model.h"

using namespace hearth;
using namespace hearth::capi;

namespace {

text::EncodeOptions encode_options(std::uint32_t flags) {
  if (flags & ~std::uint32_t(HEARTH_ADD_SPECIAL | HEARTH_PARSE_SPECIAL))
    throw Error(Code::usage, fmt::format("flags are {}", flags), {},
                "take HEARTH_ADD_SPECIAL and HEARTH_PARSE_SPECIAL");
  return {.add_special = (flags & HEARTH_ADD_SPECIAL) != 0, .parse_special = (flags & HEARTH_PARSE_SPECIAL) != 0};
}

std::vector<Token> encode(hearth_model* model, const char* text, std::size_t length, std::uint32_t flags) {
  const auto opened = get(model);
  return opened->engine()->tokenizer().encode(bytes(text, length, "text"), encode_options(flags));
}

void check_token(const text::Tokenizer& tokenizer, Token token) {
  if (token < 0 || std::size_t(token) >= tokenizer.size())
    throw Error(Code::usage, fmt::format("token {} is not in the vocabulary of {}", token, tokenizer.size()));
}

}  // namespace

hearth_status hearth_tokenize(hearth_model* model, const char* text, size_t length, uint32_t flags,
                              hearth_token** tokens, size_t* count, hearth_error** error) {
  return guard(error, [&] {
    need(tokens, "tokens");
    need(count, "count");
    *tokens = nullptr;
    *count = 0;
    const auto ids = encode(model, text, length, flags);
    *tokens = copy_tokens(ids);
    *count = ids.size();
  });
}

hearth_status hearth_count_tokens(hearth_model* model, const char* text, size_t length, uint32_t flags, size_t* count,
                                  hearth_error** error) {
  return guard(error, [&] {
    need(count, "count");
    *count = 0;
    *count = encode(model, text, length, flags).size();
  });
}

hearth_status hearth_detokenize(hearth_model* model, const hearth_token* tokens, size_t count, int32_t special,
                                char** text, size_t* length, hearth_error** error) {
  return guard(error, [&] {
    need(text, "text");
    *text = nullptr;
    if (length) *length = 0;
    const auto opened = get(model);
    if (count > 0) need(tokens, "tokens");
    const text::Tokenizer& tokenizer = opened->engine()->tokenizer();
    const std::span<const Token> ids(tokens, count);
    for (Token token : ids) check_token(tokenizer, token);
    give_text(valid_utf8(tokenizer.decode(ids, special != 0)), text, length);
  });
}

hearth_status hearth_token_bytes(hearth_model* model, hearth_token token, char** bytes, size_t* length,
                                 hearth_error** error) {
  return guard(error, [&] {
    need(bytes, "bytes");
    *bytes = nullptr;
    if (length) *length = 0;
    const auto opened = get(model);
    const text::Tokenizer& tokenizer = opened->engine()->tokenizer();
    check_token(tokenizer, token);
    give_text(tokenizer.piece(token, true), bytes, length);
  });
}
