// Random answers under a constraint, over a made-up vocabulary whose tokens cut texts and characters anywhere.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "sample/grammar.h"

namespace hearth::sample::tests {

inline std::shared_ptr<const TokenTable> small_vocabulary() {
  static const auto table = [] {
    std::vector<std::string> texts = {"<end>", "<end of turn>", ""};
    for (int byte = 0; byte < 256; ++byte) texts.push_back(std::string(1, char(byte)));
    for (const char* text :
         {"{\"",   "\":",  "\": ",     "\": \"", "\",",      "\", \"",     "\"}",    "},",       "}]",    "]}",
          "[[",    "[{",   "[]",       "{}",     "{\n",      "\n  ",       ",\n",    "  ",       "   ",   "true",
          "false", "null", "tr",       "ue",     "nu",       "ll",         "10",     "12",       "00",    "-1",
          "0.",    ".5",   "e+",       "E-",     "\\u",      "\\n",        "\\\"",   "\\\\",     "\\ud8", "dc00",
          "name",  "type", "a",        "ab",     "abc",      "id",         "value",  "children", "\"a\"", "\"b\":",
          "é",     "日本", "\xe6\x97", "\xa5",   "\xf0\x9f", "\x98\x80\"", "😀",      "n_",       "_s",    "2024-",
          "-02-",  ":00",  "Z\"",      "://",    "::",       "celsius",    "circle", "radius",   "the ",  " quick",
          " {",    " [",   " \"",      " 1"})
      texts.push_back(text);
    return std::make_shared<const TokenTable>(texts, std::vector<Token>{0, 1});
  }();
  return table;
}

// Takes allowed tokens at random until it ends; after a while those that bring an end nearer, where there are any.
// Checks at each step that `allows` says of each token what `mask` says. Nothing where it does not end in time.
inline std::optional<std::string> walk(Constraint& constraint, const TokenTable& table, std::mt19937& random,
                                       std::size_t patience = 60) {
  std::string text;
  for (std::size_t step = 0; step < 20 * patience; ++step) {
    if (constraint.complete()) return text;
    std::vector<float> logits(table.size() + 3, 1.0f);
    constraint.mask(logits);
    std::vector<Token> allowed, closing;
    for (Token token = 0; token < Token(logits.size()); ++token) {
      const bool masked = std::isinf(logits[token]);
      if (masked == constraint.allows(token)) {
        ADD_FAILURE() << "token " << token << " after " << text << (masked ? " is masked" : " is not masked");
        return {};
      }
      if (masked) continue;
      allowed.push_back(token);
      const bool ends = table.ends(token) || table.text(token).find_first_of("\"}]") != std::string_view::npos;
      if (ends) closing.push_back(token);
    }
    const auto& from = step > patience && !closing.empty() && random() % 4 ? closing : allowed;
    const Token token = from[random() % from.size()];
    constraint.accept(token);
    if (table.ends(token)) {
      EXPECT_TRUE(constraint.complete());
      return text;
    }
    text += table.text(token);
  }
  return {};
}

// Takes any allowed tokens, `most` at most; nothing where it is not at an end by then.
inline std::optional<std::string> limited_walk(Constraint& constraint, const TokenTable& table, std::mt19937& random,
                                               std::size_t most) {
  std::string text;
  for (std::size_t left = most; left > 0; --left) {
    constraint.limit(left);
    std::vector<float> logits(table.size(), 1.0f);
    constraint.mask(logits);
    std::vector<Token> allowed;
    for (Token token = 0; token < Token(logits.size()); ++token) {
      if (std::isinf(logits[token]) == constraint.allows(token))
        ADD_FAILURE() << "token " << token << " after " << text;
      if (!std::isinf(logits[token])) allowed.push_back(token);
    }
    const Token token = allowed[random() % allowed.size()];
    constraint.accept(token);
    if (table.ends(token)) return text;
    text += table.text(token);
    if (constraint.complete()) return text;
  }
  if (constraint.allows(table.endings()[0])) return text;
  return {};
}

}  // namespace hearth::sample::tests
