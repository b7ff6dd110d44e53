#include "text/trie.h"

#include <algorithm>

namespace hearth::text {

Trie::Trie(std::vector<std::pair<std::string_view, Token>> texts) {
  std::sort(texts.begin(), texts.end());
  // Level by level: a node's texts are a range that shares its first `depth` bytes.
  struct Range {
    std::uint32_t begin, end;
  };
  std::vector<Range> level = {{0, static_cast<std::uint32_t>(texts.size())}}, below;
  nodes_.push_back({0, 0, 0, no_token});
  std::size_t node = 0;
  for (std::size_t depth = 0; !level.empty(); ++depth) {
    below.clear();
    for (Range range : level) {
      Entry& entry = nodes_[node];
      if (range.begin < range.end && texts[range.begin].first.size() == depth)
        entry.token = texts[range.begin++].second;
      entry.children = static_cast<std::uint32_t>(nodes_.size());
      std::uint16_t count = 0;
      while (range.begin < range.end) {
        const char byte = texts[range.begin].first[depth];
        std::uint32_t end = range.begin + 1;
        while (end < range.end && texts[end].first[depth] == byte) ++end;
        nodes_.push_back({0, 0, static_cast<unsigned char>(byte), no_token});
        below.push_back({range.begin, end});
        range.begin = end;
        ++count;
      }
      nodes_[node++].count = count;
    }
    level.swap(below);
  }
  for (std::uint32_t i = 0; i < nodes_[root].count; ++i) first_[nodes_[1 + i].byte] = 1 + i;
}

Trie::Node Trie::child(Node node, char byte) const noexcept {
  const auto wanted = static_cast<unsigned char>(byte);
  if (node == root) return first_[wanted];
  const Entry& entry = nodes_[node];
  const Entry* const begin = nodes_.data() + entry.children;
  const Entry* const end = begin + entry.count;
  const Entry* const found =
      std::lower_bound(begin, end, wanted, [](const Entry& child, unsigned char value) { return child.byte < value; });
  return found != end && found->byte == wanted ? static_cast<Node>(found - nodes_.data()) : none;
}

}  // namespace hearth::text
