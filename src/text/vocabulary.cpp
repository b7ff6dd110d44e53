#include "text/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"

namespace hearth::text {

namespace {

// One to seven bytes as a number, the first the least.
std::uint64_t less_than_eight(std::string_view bytes) noexcept {
  const std::size_t size = bytes.size();
  if (size >= 4) {  // two words, which may share bytes
    std::uint32_t low, high;
    std::memcpy(&low, bytes.data(), 4);
    std::memcpy(&high, bytes.data() + size - 4, 4);
    return low | std::uint64_t(high) << 8 * (size - 4);
  }
  const auto byte = [&](std::size_t i) { return std::uint64_t(static_cast<unsigned char>(bytes[i])) << 8 * i; };
  return byte(0) | byte(size / 2) | byte(size - 1);
}

}  // namespace

std::uint64_t hash(std::string_view text) noexcept {
  constexpr std::uint64_t factor = 0x9e3779b97f4a7c15;
  std::uint64_t state = text.size() * factor;
  const auto mix = [&](std::uint64_t word) {
    state = (state ^ word) * factor;
    state ^= state >> 29;
  };
  std::size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t word;
    std::memcpy(&word, text.data() + at, 8);
    mix(word);
  }
  if (at < text.size()) mix(less_than_eight(text.substr(at)));
  return state * factor ^ state >> 32;
}

Vocabulary::Vocabulary(const gguf::Metadata& metadata) {
  constexpr std::string_view tokens_key = "tokenizer.ggml.tokens";
  const std::string& origin = metadata.origin();
  const auto& tokens = metadata.strings(tokens_key);
  if (tokens.empty()) throw Error(Code::bad_input, fmt::format("{} is empty", tokens_key), origin);
  if (tokens.size() > std::size_t(std::numeric_limits<Token>::max()))
    throw Error(Code::bad_input, fmt::format("{} has too many entries", tokens_key), origin);

  std::size_t bytes = 0;
  for (const std::string& token : tokens) bytes += token.size();
  texts_.reserve(bytes);
  ends_.reserve(tokens.size() + 1);
  ends_.push_back(0);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    texts_ += tokens[i].empty() ? fmt::format("[EMPTY_{}]", i) : tokens[i];
    if (texts_.size() > std::numeric_limits<std::uint32_t>::max())
      throw Error(Code::bad_input, fmt::format("the texts of {} are longer than 4 GB", tokens_key), origin);
    ends_.push_back(static_cast<std::uint32_t>(texts_.size()));
    longest_ = std::max<std::size_t>(longest_, ends_[i + 1] - ends_[i]);
  }

  const auto too_short = [&](std::string_view key, std::size_t size) {
    throw Error(Code::bad_input, fmt::format("{} has {} entries and {} has {}", key, size, tokens_key, tokens.size()),
                origin);
  };
  const auto kinds = metadata.integers("tokenizer.ggml.token_type");
  if (metadata.has("tokenizer.ggml.token_type") && kinds.size() < tokens.size())
    too_short("tokenizer.ggml.token_type", kinds.size());
  kinds_.assign(tokens.size(), TokenKind::normal);
  for (std::size_t i = 0; i < tokens.size() && !kinds.empty(); ++i)
    kinds_[i] = kinds[i] >= 1 && kinds[i] <= 6 ? static_cast<TokenKind>(kinds[i]) : TokenKind::unused;

  const auto scores = metadata.numbers("tokenizer.ggml.scores");
  if (metadata.has("tokenizer.ggml.scores") && scores.size() < tokens.size())
    too_short("tokenizer.ggml.scores", scores.size());
  scores_.reserve(scores.size());
  for (std::size_t i = 0; i < tokens.size() && !scores.empty(); ++i) {
    if (!std::isfinite(scores[i]))
      throw Error(Code::bad_input, fmt::format("tokenizer.ggml.scores[{}] is not a finite number", i), origin);
    scores_.push_back(static_cast<float>(scores[i]));
  }
  index(origin);
}

void Vocabulary::index(const std::string& origin) {
  slots_.assign(std::bit_ceil(size() * 2), {0, no_token});
  const std::size_t mask = slots_.size() - 1;
  std::uint64_t codes[fetched_at_once];
  for (std::size_t i = 0; i < size(); ++i) {
    if (i % fetched_at_once == 0)
      for (std::size_t k = 0; k < fetched_at_once && i + k < size(); ++k) {
        codes[k] = hash(this->text(Token(i + k)));
        __builtin_prefetch(&first_slot(codes[k]));
      }
    const std::string_view text = this->text(Token(i));
    const std::uint64_t code = codes[i % fetched_at_once];
    std::size_t at = code & mask;
    for (; slots_[at].token != no_token; at = (at + 1) & mask)
      if (slots_[at].tag == std::uint32_t(code >> 32) && this->text(slots_[at].token) == text)
        throw Error(
            Code::bad_input,
            fmt::format("tokenizer.ggml.tokens[{}] is the same text as tokenizer.ggml.tokens[{}]", i, slots_[at].token),
            origin);
    slots_[at] = {std::uint32_t(code >> 32), Token(i)};
  }
}

Token Vocabulary::find(std::string_view text, std::uint64_t code) const noexcept {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = code & mask; slots_[at].token != no_token; at = (at + 1) & mask)
    if (slots_[at].tag == std::uint32_t(code >> 32) && this->text(slots_[at].token) == text) return slots_[at].token;
  return no_token;
}

void Vocabulary::find(std::span<const std::string_view> texts, Token* tokens) const {
  std::uint64_t codes[fetched_at_once];
  for (std::size_t first = 0; first < texts.size(); first += fetched_at_once) {
    const auto some = texts.subspan(first, std::min(fetched_at_once, texts.size() - first));
    for (std::size_t i = 0; i < some.size(); ++i) __builtin_prefetch(&first_slot(codes[i] = hash(some[i])));
    const auto for_likely = [&](auto use) {  // the tokens that they mostly turn out to be
      for (std::size_t i = 0; i < some.size(); ++i)
        if (const Token token = first_slot(codes[i]).token; token != no_token) use(token);
    };
    for_likely([&](Token token) { __builtin_prefetch(&ends_[std::size_t(token)]); });
    for_likely([&](Token token) { __builtin_prefetch(text(token).data()); });
    for (std::size_t i = 0; i < some.size(); ++i) tokens[first + i] = find(some[i], codes[i]);
  }
}

Token Vocabulary::find_byte(unsigned char byte) const noexcept {
  constexpr std::string_view digits = "0123456789ABCDEF";
  const char name[] = {'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'};
  return find({name, sizeof name});
}

}  // namespace hearth::text
