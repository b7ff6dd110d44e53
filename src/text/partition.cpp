#include "text/partition.h"

#include <algorithm>

namespace hearth::text {

namespace {

bool is_blank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

std::size_t two_bytes(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return std::size_t(static_cast<unsigned char>(text[i])); };
  return byte(at) | (at + 1 < text.size() ? byte(at + 1) << 8 : 0);
}

}  // namespace

Partition::Partition(const Vocabulary& vocabulary, Strip strip) : strip_(std::move(strip)) {
  lengths_.reserve(vocabulary.size());
  for (std::size_t i = 0; i < vocabulary.size(); ++i)
    lengths_.push_back(static_cast<std::uint32_t>(vocabulary.text(Token(i)).size()));
  user_defined_ = matcher(vocabulary, false);
  all_ = matcher(vocabulary, true);
}

Partition::Matcher Partition::matcher(const Vocabulary& vocabulary, bool parse_special) const {
  Matcher matcher;
  std::vector<std::pair<std::string_view, Token>> texts;
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    const TokenKind kind = vocabulary.kind(Token(i));
    if (kind == TokenKind::user_defined ||
        (parse_special && (kind == TokenKind::control || kind == TokenKind::unknown)))
      texts.emplace_back(vocabulary.text(Token(i)), Token(i));
  }
  if (texts.empty()) return matcher;
  matcher.starts.resize(0x10000);
  for (const auto& [text, token] : texts) {
    matcher.longest = std::max(matcher.longest, text.size());
    if (text.size() > 1)
      matcher.starts[two_bytes(text, 0)] = true;
    else
      for (std::size_t next = 0; next < 256; ++next) matcher.starts[two_bytes(text, 0) | next << 8] = true;
  }
  matcher.trie = Trie(std::move(texts));
  return matcher;
}

Partition::Match Partition::longest_at(const Matcher& matcher, std::string_view text, std::size_t at,
                                       std::size_t limit) const {
  Token token = no_token;
  Trie::Node node = Trie::root;
  for (std::size_t i = at; i < std::min(text.size(), at + limit); ++i) {
    node = matcher.trie.child(node, text[i]);
    if (node == Trie::none) break;
    if (matcher.trie.token(node) != no_token) token = matcher.trie.token(node);
  }
  return {at, token};
}

// In order of the text, none overlapping another.
std::vector<Partition::Match> Partition::matches(const Matcher& matcher, std::string_view text) const {
  std::vector<Match> open;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (!matcher.starts[two_bytes(text, at)]) continue;
    const Match match = longest_at(matcher, text, at, matcher.longest);
    if (match.token != no_token) open.push_back(match);
  }
  if (open.size() <= 1) return open;

  // Longest first; what a longer one has cut short comes again with the length that is left to it.
  std::vector<std::vector<Match>> by_length(matcher.longest + 1);
  for (const Match& match : open) by_length[lengths_[std::size_t(match.token)]].push_back(match);
  std::vector<bool> taken(text.size());
  std::vector<Match> accepted;
  const auto earlier = [](const Match& a, const Match& b) { return a.begin < b.begin; };
  for (std::size_t length = matcher.longest; length > 0; --length) {
    auto& candidates = by_length[length];
    std::sort(candidates.begin(), candidates.end(), earlier);
    for (const Match& match : candidates) {
      std::size_t free = 0;
      while (free < length && !taken[match.begin + free]) ++free;
      if (free < length) {
        const Match shorter = longest_at(matcher, text, match.begin, free);
        if (shorter.token != no_token) by_length[lengths_[std::size_t(shorter.token)]].push_back(shorter);
        continue;
      }
      std::size_t begin = match.begin, end = begin + length;
      if (!strip_.left.empty() && strip_.left[std::size_t(match.token)])
        while (begin > 0 && !taken[begin - 1] && is_blank(text[begin - 1])) --begin;
      if (!strip_.right.empty() && strip_.right[std::size_t(match.token)])
        while (end < text.size() && !taken[end] && is_blank(text[end])) ++end;
      std::fill(taken.begin() + std::ptrdiff_t(begin), taken.begin() + std::ptrdiff_t(end), true);
      accepted.push_back(match);
    }
    candidates.clear();
    candidates.shrink_to_fit();
  }
  std::sort(accepted.begin(), accepted.end(), earlier);
  return accepted;
}

std::vector<Fragment> Partition::split(std::string_view text, bool parse_special) const {
  const Matcher& matcher = parse_special ? all_ : user_defined_;
  if (matcher.trie.empty()) return text.empty() ? std::vector<Fragment>{} : std::vector<Fragment>{{text}};
  std::vector<Fragment> fragments;
  const auto add_text = [&](std::size_t begin, std::size_t end, Token before, Token after) {
    const auto strips = [](const std::vector<bool>& which, Token token) {
      return token != no_token && !which.empty() && which[std::size_t(token)];
    };
    if (strips(strip_.right, before))
      while (begin < end && is_blank(text[begin])) ++begin;
    if (strips(strip_.left, after))
      while (begin < end && is_blank(text[end - 1])) --end;
    if (begin < end) fragments.push_back({text.substr(begin, end - begin)});
  };
  std::size_t at = 0;
  Token before = no_token;
  for (const Match& match : matches(matcher, text)) {
    add_text(at, match.begin, before, match.token);
    fragments.push_back({text.substr(match.begin, lengths_[std::size_t(match.token)]), match.token});
    at = match.begin + lengths_[std::size_t(match.token)];
    before = match.token;
  }
  add_text(at, text.size(), before, no_token);
  return fragments;
}

}  // namespace hearth::text
