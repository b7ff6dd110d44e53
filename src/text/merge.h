// Byte-pair merging of one word: the best pair of neighbours becomes one symbol, again and again. For this room only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <queue>
#include <unordered_map>
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
  // bytes alone. For n symbols at most n log n, and in practice n.
  template <class JoinPair>
  void merge(std::vector<Symbol>& symbols, const JoinPair& join) {
    if (symbols.size() <= short_word)
      merge_short(symbols, join);
    else if (symbols.size() <= long_word)
      merge_linked(symbols, join, heap_);
    else
      merge_linked(symbols, join, batches_);
  }

 private:
  static constexpr std::size_t short_word = 24, long_word = 1 << 14;
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

  // `queue` is empty, before and after.
  template <class JoinPair, class Queue>
  void merge_linked(std::vector<Symbol>& symbols, const JoinPair& join, Queue& queue) {
    const auto count = static_cast<std::uint32_t>(symbols.size());
    links_.resize(count);
    for (std::uint32_t i = 0; i < count; ++i)
      links_[i] = {i == 0 ? no_index : i - 1, i + 1 == count ? no_index : i + 1};
    const auto offer = [&](std::uint32_t left, std::uint32_t right) {
      const Join pair = join(symbols[left], symbols[right]);
      if (pair.token != no_token) queue.push({pair.rank, left, symbols[left].end, symbols[right].end, pair.token});
    };
    for (std::uint32_t i = 0; i + 1 < count; ++i) offer(i, i + 1);
    while (!queue.empty()) {
      const Candidate candidate = queue.pop();
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
      if (links_[left].previous != no_index) offer(links_[left].previous, left);
      if (links_[left].next != no_index) offer(left, links_[left].next);
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

  class Heap {
   public:
    bool empty() const { return heap_.empty(); }
    const Candidate& front() const { return heap_.front(); }
    void push(const Candidate& candidate) {
      heap_.push_back(candidate);
      std::push_heap(heap_.begin(), heap_.end(), later);
    }
    Candidate pop() {
      std::pop_heap(heap_.begin(), heap_.end(), later);
      const Candidate first = heap_.back();
      heap_.pop_back();
      return first;
    }

   private:
    std::vector<Candidate> heap_;
  };

  // The same order from a batch for each rank, walked from left to right: in a long word few ranks hold many
  // candidates, and neighbours are merged while they are at hand.
  class Batches {
   public:
    bool empty() const { return ranks_.empty(); }
    void push(const Candidate& candidate) {
      const auto [found, fresh] = batches_.try_emplace(candidate.rank);
      if (fresh) ranks_.push(candidate.rank);
      Batch& batch = found->second;
      if (batch.begun)
        batch.late.push(candidate);
      else
        batch.candidates.push_back(candidate);
    }
    Candidate pop() {
      const std::uint32_t rank = ranks_.top();
      if (!first_ || first_rank_ != rank) {
        first_ = &batches_[rank];
        first_rank_ = rank;
      }
      Batch& batch = *first_;
      if (!batch.begun) {
        batch.begun = true;
        const auto by_place = [](const Candidate& a, const Candidate& b) { return a.left < b.left; };
        if (!std::is_sorted(batch.candidates.begin(), batch.candidates.end(), by_place))
          std::sort(batch.candidates.begin(), batch.candidates.end(), by_place);
      }
      const bool from_late = batch.next == batch.candidates.size() ||
                             (!batch.late.empty() && batch.late.front().left < batch.candidates[batch.next].left);
      const Candidate candidate = from_late ? batch.late.pop() : batch.candidates[batch.next++];
      if (batch.next == batch.candidates.size() && batch.late.empty()) {
        batches_.erase(rank);
        ranks_.pop();
        first_ = nullptr;
      }
      return candidate;
    }

   private:
    struct Batch {
      std::vector<Candidate> candidates;
      std::size_t next = 0;
      bool begun = false;
      Heap late;  // that came after it was begun
    };
    std::unordered_map<std::uint32_t, Batch> batches_;
    std::priority_queue<std::uint32_t, std::vector<std::uint32_t>, std::greater<>> ranks_;
    Batch* first_ = nullptr;  // of the lowest rank, as far as that is known
    std::uint32_t first_rank_ = 0;
  };

  std::vector<Link> links_;
  Heap heap_;
  Batches batches_;
};

}  // namespace hearth::text
