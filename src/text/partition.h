// Cuts a text at the special and user-defined tokens written in it. For this room only.
#pragma once

#include <string_view>
#include <vector>

#include "base/types.h"
#include "text/special_tokens.h"
#include "text/trie.h"
#include "text/vocabulary.h"

namespace hearth::text {

// Text between special tokens, or one of them.
struct Fragment {
  std::string_view text;
  Token token = no_token;
};

// Longer tokens take precedence over shorter ones wherever they stand, then earlier ones over later ones; white space
// beside a token goes where the token asks for it. Linear in the text for the vocabularies there are.
class Partition {
 public:
  Partition(const Vocabulary& vocabulary, Strip strip);
  // User-defined tokens are always met; control and unknown tokens only where `parse_special`.
  std::vector<Fragment> split(std::string_view text, bool parse_special) const;

 private:
  struct Matcher {
    Trie trie;
    std::vector<bool> starts;  // by the first two bytes, low byte first
    std::size_t longest = 0;
  };
  struct Match {
    std::size_t begin;
    Token token;
  };

  Matcher matcher(const Vocabulary& vocabulary, bool parse_special) const;
  // The longest token that begins at `at` and has at most `limit` bytes.
  Match longest_at(const Matcher& matcher, std::string_view text, std::size_t at, std::size_t limit) const;
  std::vector<Match> matches(const Matcher& matcher, std::string_view text) const;

  std::vector<std::uint32_t> lengths_;  // by token
  Strip strip_;
  Matcher user_defined_, all_;
};

}  // namespace hearth::text
