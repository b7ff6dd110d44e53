#include "convert/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace hearth::convert {

void Vocabulary::set(std::uint64_t id, std::string text, text::TokenKind kind, float score) {
  constexpr std::uint64_t most = 1 << 21;
  if (id >= most) throw Error(Code::bad_input, fmt::format("token {} has the id {}", text.substr(0, 80), id), origin_);
  const std::size_t size = std::max<std::size_t>(tokens.size(), id + 1);
  tokens.resize(size);
  kinds.resize(size, text::TokenKind::unused);
  scores.resize(size);
  tokens[id] = std::move(text);
  kinds[id] = kind;
  scores[id] = score;
}

std::optional<std::uint32_t> Vocabulary::find(std::string_view text) const {
  const auto found = std::find(tokens.begin(), tokens.end(), text);
  if (found == tokens.end()) return std::nullopt;
  return static_cast<std::uint32_t>(found - tokens.begin());
}

std::vector<std::string> Vocabulary::fill(std::uint64_t size) {
  std::vector<std::string> left_out;
  // The model never learned what was added past its end, such as Gemma 3's image token where there is no eye.
  while (tokens.size() > size && kinds.back() != text::TokenKind::normal) {
    left_out.push_back(std::move(tokens.back()));
    tokens.pop_back();
    kinds.pop_back();
    scores.pop_back();
  }
  if (tokens.size() > size)
    throw Error(Code::bad_input, fmt::format("the tokenizer has {} tokens, the model {}", tokens.size(), size),
                origin_);
  for (std::size_t id = tokens.size(); id < size; ++id) set(id, {}, text::TokenKind::unused);
  for (std::size_t id = 0; id < size; ++id)
    if (kinds[id] == text::TokenKind::unused && tokens[id].empty()) tokens[id] = fmt::format("[PAD{}]", id);
  return left_out;
}

namespace {

// Published vocabularies do not always mark their special tokens as such.
bool looks_special(std::string_view text) {
  const auto between = [&](std::string_view begin, std::string_view end) {
    return text.size() > begin.size() + end.size() && text.starts_with(begin) && text.ends_with(end);
  };
  return text == "<pad>" || text == "<mask>" || between("<|", "|>") || between("<｜", "｜>") || between("<unused", ">");
}

}  // namespace

std::string as_in_texts(std::string token) {
  constexpr std::string_view mark = "▁";
  for (std::size_t at = 0; (at = token.find(mark, at)) != token.npos;) token.replace(at, mark.size(), " ");
  return token;
}

void add_tokens(const Json& list, const std::string& origin, Vocabulary& vocabulary) {
  if (list.is_null()) return;
  if (!list.is_array()) throw Error(Code::bad_input, "added_tokens is no list", origin);
  for (const Json& json : list) {
    const JsonObject token(json, origin);
    const Json* content = token.find({"content"});
    if (!content || !content->is_string()) token.fail("an added token has no content");
    std::string text = content->get<std::string>();
    const bool special = token.boolean("special", false) || looks_special(text);
    if (!special && vocabulary.model != "gpt2" && vocabulary.model != "bert") text = as_in_texts(std::move(text));
    if (token.boolean("single_word", false))
      throw Error(Code::unsupported,
                  fmt::format("the added token {}, met as a whole word only, has no equal in GGUF", text.substr(0, 80)),
                  origin);
    const std::uint64_t id = token.integer({"id"});
    for (const auto& [key, ids] : {std::pair{"lstrip", &vocabulary.strip_left}, {"rstrip", &vocabulary.strip_right}})
      if (token.boolean(key, false))
        ids->insert(id);
      else
        ids->erase(id);
    vocabulary.set(id, std::move(text), special ? text::TokenKind::control : text::TokenKind::user_defined, -1000);
  }
}

}  // namespace hearth::convert
