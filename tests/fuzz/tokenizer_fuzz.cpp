// A vocabulary of the input's making, or a small sound one, and any text: loading succeeds or throws an error of the
// input; encoding and decoding take whatever there is; byte-level BPE gives the text back; streams are valid UTF-8.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "../text/small.h"
#include "base/error.h"
#include "base/utf8.h"
#include "text/tokenizer.h"

namespace {

using namespace hearth;

// Takes pieces off the front of the input.
struct Input {
  std::string_view rest;
  std::uint8_t byte() {
    if (rest.empty()) return 0;
    const auto value = static_cast<std::uint8_t>(rest[0]);
    rest.remove_prefix(1);
    return value;
  }
  std::string text() {
    const std::size_t length = std::min<std::size_t>(byte() % 16, rest.size());
    const std::string value(rest.substr(0, length));
    rest.remove_prefix(length);
    return value;
  }
};

gguf::Metadata vocabulary(Input& input) {
  constexpr const char* models[] = {"gpt2", "llama", "bert", "t5", "gemma4"};
  const std::uint8_t choice = input.byte();
  switch (choice % 8) {
    case 0:
      return tests::small_bpe(input.text());
    case 1:
      return tests::small_bpe();
    case 2:
      return tests::small_sentencepiece();
    case 3:
      return tests::small_wordpiece();
    case 4:
      return tests::small_unigram();
    default:
      break;
  }
  std::vector<tests::SmallToken> tokens;
  for (int count = input.byte() % 24; count > 0; --count) {
    const std::uint8_t kind = input.byte();
    tokens.push_back({input.text(), kind % 8, static_cast<float>(kind / 8)});
  }
  gguf::Metadata metadata = tests::small_vocabulary(models[choice / 8 % 5], tokens);
  std::vector<std::string> merges;
  for (int count = input.byte() % 8; count > 0; --count) merges.push_back(input.text());
  metadata.set("tokenizer.ggml.merges", {gguf::Array(merges)});
  for (const char* role : {"bos", "eos", "unknown", "seperator"})
    metadata.set(fmt::format("tokenizer.ggml.{}_token_id", role), {std::uint32_t(input.byte() % 8)});
  const std::uint8_t flags = input.byte();
  metadata.set("tokenizer.ggml.add_space_prefix", {(flags & 1) != 0});
  metadata.set("tokenizer.ggml.remove_extra_whitespaces", {(flags & 2) != 0});
  metadata.set("tokenizer.ggml.add_bos_token", {(flags & 4) != 0});
  if (flags & 8) metadata.set("general.name", {std::string("phi-3")});
  if (flags & 16) {
    const std::string bytes = input.text() + input.text() + input.text();
    metadata.set("tokenizer.ggml.precompiled_charsmap",
                 {gguf::Array(std::vector<std::uint8_t>(bytes.begin(), bytes.end()))});
  }
  return metadata;
}

void check(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input{{reinterpret_cast<const char*>(data), size}};
  const bool has_all_bytes = size > 0 && data[0] % 8 == 1;
  try {
    const auto tokenizer = text::Tokenizer::load(vocabulary(input));
    for (const bool parse_special : {false, true}) {
      const auto tokens =
          tokenizer->encode(input.rest, {.add_special = !parse_special, .parse_special = parse_special});
      text::Detokenizer detokenizer(*tokenizer, parse_special);
      for (const Token token : tokens) check(is_utf8(detokenizer.push(token)));
      check(is_utf8(detokenizer.finish()));
      const std::string back = tokenizer->decode(tokens, true);
      if (has_all_bytes && parse_special) check(back == input.rest);
    }
  } catch (const Error& error) {
    check(error.code() == Code::bad_input || error.code() == Code::unsupported || error.code() == Code::not_found);
  }
  return 0;
}
