// Byte-pair merging of one word: the best pair of neighbours becomes one symbol, again and again. For this room only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/types.h"

namespace hearth::text {

// A piece of a word; where it is no token on its own, token is no_token.
struct Symbol {
  std::uint32_t begin, end;  // bytes of the word
  Token token;
};

struct Join {
  std::uint32_t rank;  // the lowest goes first; of equals, the leftmost
  Token token;         // what the pair becomes; no_token: it stays a pair
};

class Merger {
 public:
  // Merges `symbols` in place. `join(left, right)` says what a pair of neighbours becomes; it must depend on their
  // bytes alone. n log n for n symbols.
  template <class JoinPair>
  void merge(std::vector<Symbol>& symbols, const JoinPair& join) {
    if (symbols.size() <= short_word)
      merge_short(symbols, join);
    else
      merge_long(symbols, join);
  }

 private:
  static constexpr std::size_t short_word = 24;
  static constexpr std::uint32_t no_index = ~std::uint32_t(0);

  template <class JoinPair>
  void merge_short(std::vector<Symbol>& symbols, const JoinPair& join) {
    std::size_t count = symbols.size();
    if (count < 2) return;
    Join joins[short_word];  // of symbol i with its right neighbour
    for (std::size_t i = 0; i + 1 < count; ++i) joins[i] = join(symbols[i], symbols[i + 1]);
    for (;;) {
      std::size_t best = count;
      for (std::size_t i = 0; i + 1 < count; ++i)
        if (joins[i].token != no_token && (best == count || joins[i].rank < joins[best].rank)) best = i;
      if (best == count) break;
      symbols[best] = {symbols[best].begin, symbols[best + 1].end, joins[best].token};
      for (std::size_t i = best + 1; i + 1 < count; ++i) {
        symbols[i] = symbols[i + 1];
        joins[i] = joins[i + 1];
      }
      --count;
      if (best + 1 < count) joins[best] = join(symbols[best], symbols[best + 1]);
      if (best > 0) joins[best - 1] = join(symbols[best - 1], symbols[best]);
    }
    symbols.resize(count);
  }

  template <class JoinPair>
  void merge_long(std::vector<Symbol>& symbols, const JoinPair& join) {
    const auto count = static_cast<std::uint32_t>(symbols.size());
    links_.resize(count);
    for (std::uint32_t i = 0; i < count; ++i)
      links_[i] = {i == 0 ? no_index : i - 1, i + 1 == count ? no_index : i + 1};
    heap_.clear();
    const auto offer = [&](std::uint32_t left, std::uint32_t right) {
      const Join pair = join(symbols[left], symbols[right]);
      if (pair.token != no_token) heap_.push_back({pair.rank, left, symbols[left].end, symbols[right].end, pair.token});
      return pair.token != no_token;
    };
    for (std::uint32_t i = 0; i + 1 < count; ++i) offer(i, i + 1);
    std::make_heap(heap_.begin(), heap_.end(), later);
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), later);
      const Candidate candidate = heap_.back();
      heap_.pop_back();
      // Outdated where either of the two has been merged since; the right one of a merged pair is left empty.
      const std::uint32_t left = candidate.left, right = links_[left].next;
      if (symbols[left].begin == symbols[left].end || symbols[left].end != candidate.middle || right == no_index ||
          symbols[right].end != candidate.end)
        continue;
      symbols[left].end = symbols[right].end;
      symbols[left].token = candidate.token;
      symbols[right].begin = symbols[right].end;
      links_[left].next = links_[right].next;
      if (links_[right].next != no_index) links_[links_[right].next].previous = left;
      if (links_[left].previous != no_index && offer(links_[left].previous, left))
        std::push_heap(heap_.begin(), heap_.end(), later);
      if (links_[left].next != no_index && offer(left, links_[left].next))
        std::push_heap(heap_.begin(), heap_.end(), later);
    }
    std::erase_if(symbols, [](const Symbol& symbol) { return symbol.begin == symbol.end; });
  }

  struct Link {
    std::uint32_t previous, next;
  };
  struct Candidate {
    std::uint32_t rank, left, middle, end;
    Token token;
  };
  static bool later(const Candidate& a, const Candidate& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
  }

  std::vector<Link> links_;
  std::vector<Candidate> heap_;
};

}  // namespace hearth::text
