// SentencePiece's byte-pair encoding: characters are merged by the scores of what they become; what is no token is
// written byte by byte. [arXiv 1808.06226]
#include <algorithm>
#include <array>
#include <bitset>
#include <numeric>

#include "text/merge_work.h"
#include "text/tokenizer_base.h"
#include "text/unicode.h"
#include "text/word_cache.h"

namespace hearth::text {

namespace {

// Which characters stand beside each other within some token. Between two that never do, nothing is ever merged, so
// that a text can be cut there.
class Neighbours {
 public:
  explicit Neighbours(const Vocabulary& vocabulary) : pairs_(1 << 12) {
    for (std::size_t i = 0; i < vocabulary.size(); ++i) {
      const std::string_view text = vocabulary.text(Token(i));
      std::uint32_t left = 0;
      for (std::size_t at = 0; at < text.size();) {
        const Character right = character_at(text, at);
        if (at > 0) add(left, right.code);
        left = right.code;
        at += right.bytes;
      }
    }
  }

  bool contains(std::uint32_t left, std::uint32_t right) const noexcept {
    return (left | right) < 128 ? ascii_[left * 128 + right] : pairs_[slot(pair(left, right))] != 0;
  }

 private:
  static std::uint64_t pair(std::uint32_t left, std::uint32_t right) noexcept {
    return (std::uint64_t(left) << 32 | right) + 1;  // 0 is a free slot
  }
  std::size_t slot(std::uint64_t wanted) const noexcept {
    std::size_t at = (wanted * 0x9e3779b97f4a7c15 >> 32) & (pairs_.size() - 1);
    while (pairs_[at] != 0 && pairs_[at] != wanted) at = (at + 1) & (pairs_.size() - 1);
    return at;
  }
  void add(std::uint32_t left, std::uint32_t right) {
    if ((left | right) < 128) {
      ascii_[left * 128 + right] = true;
      return;
    }
    const std::uint64_t wanted = pair(left, right);
    const std::size_t at = slot(wanted);
    if (pairs_[at] != 0) return;
    pairs_[at] = wanted;
    if (++used_ * 2 <= pairs_.size()) return;
    std::vector<std::uint64_t> old(pairs_.size() * 2);
    old.swap(pairs_);
    for (const std::uint64_t one : old)
      if (one != 0) pairs_[slot(one)] = one;
  }

  std::bitset<128 * 128> ascii_;
  std::vector<std::uint64_t> pairs_;  // all others
  std::size_t used_ = 0;
};

constexpr SpecialTokens defaults() {
  SpecialTokens special;
  special.bos = 1;
  special.eos = 2;
  special.unknown = 0;
  special.add_bos = true;
  return special;
}

// The best first. Vocabularies are stretches in that order already, which are merged.
std::vector<Token> by_score(const Vocabulary& vocabulary) {
  const auto better = [&](Token a, Token b) { return vocabulary.score(a) > vocabulary.score(b); };
  std::vector<Token> order(vocabulary.size());
  std::iota(order.begin(), order.end(), 0);
  std::vector<std::ptrdiff_t> ends = {0};
  for (auto at = order.begin(); at != order.end(); ends.push_back(at - order.begin()))
    at = std::is_sorted_until(at, order.end(), better);
  while (ends.size() > 2) {
    std::vector<std::ptrdiff_t> fewer = {0};
    for (std::size_t i = 2; i < ends.size(); i += 2) {
      const auto begin = order.begin();
      std::inplace_merge(begin + ends[i - 2], begin + ends[i - 1], begin + ends[i], better);
      fewer.push_back(ends[i]);
    }
    if (fewer.back() != ends.back()) fewer.push_back(ends.back());
    ends = std::move(fewer);
  }
  return order;
}

class SentencePieceTokenizer final : public TokenizerBase {
 public:
  explicit SentencePieceTokenizer(const gguf::Metadata& metadata)
      : TokenizerBase(metadata, defaults()),
        space_prefix_(read_space_prefix(metadata, true)),
        neighbours_(vocabulary()),
        ranks_(vocabulary().size()) {
    const std::vector<Token> order = by_score(vocabulary());
    std::uint32_t rank = 0;
    for (std::size_t i = 0; i < order.size(); ++i) {
      if (i > 0 && vocabulary().score(order[i]) != vocabulary().score(order[i - 1])) ++rank;
      ranks_[std::size_t(order[i])] = rank;
    }
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const char one[] = {static_cast<char>(byte)};
      Token& token = bytes_[byte];
      token = vocabulary().find_byte(static_cast<unsigned char>(byte));
      if (token == no_token) token = vocabulary().find({one, 1});
      if (token == no_token) token = special().unknown;
    }
  }

 private:
  void encode(std::span<const Fragment> fragments, std::vector<Token>& tokens) const override {
    std::size_t bytes = 0;
    for (const Fragment& fragment : fragments) bytes += fragment.text.size();
    WordCache cache(bytes);
    MergeWork work;
    bool prefix = space_prefix_ != SpacePrefix::none;
    for (const Fragment& fragment : fragments) {
      if (fragment.token != no_token) {
        const TokenKind kind = vocabulary().kind(fragment.token);
        if (prefix && space_prefix_ == SpacePrefix::whole && kind == TokenKind::user_defined)
          encode_word(escape_spaces("", true), cache, work, tokens);
        tokens.push_back(fragment.token);
        prefix = prefixes_after(space_prefix_, kind);
        continue;
      }
      const std::string text = escape_spaces(fragment.text, prefix && prefixes(space_prefix_, fragment.text));
      prefix = false;
      std::size_t begin = 0;
      std::uint32_t left = 0;
      for (std::size_t at = 0; at < text.size();) {
        const Character right = character_at(text, at);
        if (at > begin && !neighbours_.contains(left, right.code)) {
          encode_word(std::string_view(text).substr(begin, at - begin), cache, work, tokens);
          begin = at;
        }
        left = right.code;
        at += right.bytes;
      }
      encode_word(std::string_view(text).substr(begin), cache, work, tokens);
    }
  }

  void encode_word(std::string_view word, WordCache& cache, MergeWork& work, std::vector<Token>& tokens) const {
    cache.append(word, tokens, [&](std::vector<Token>& out) { merge_word(word, work, out); });
  }

  void merge_word(std::string_view word, MergeWork& work, std::vector<Token>& tokens) const {
    work.begin(word, vocabulary());
    work.merger.merge(work.symbols, [&](const Symbol& left, const Symbol& right) -> Join {
      const std::size_t bytes = right.end - left.begin;
      if (bytes > vocabulary().longest()) return {0, no_token};
      const Token token = vocabulary().find(word.substr(left.begin, bytes));
      return {token == no_token ? 0 : ranks_[std::size_t(token)], token};
    });
    work.append_tokens(word, bytes_, tokens);
  }

  std::string plain_piece(std::string_view text) const override { return unescape_spaces(text); }
  SpacePrefix space_prefix() const noexcept override { return space_prefix_; }

  SpacePrefix space_prefix_;
  Neighbours neighbours_;
  std::vector<std::uint32_t> ranks_;  // by token: 0 for the highest score
  std::array<Token, 256> bytes_;
};

}  // namespace

std::unique_ptr<const Tokenizer> load_sentencepiece(const gguf::Metadata& metadata) {
  return std::make_unique<SentencePieceTokenizer>(metadata);
}

}  // namespace hearth::text
