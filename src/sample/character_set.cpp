#include "sample/character_set.h"

#include <algorithm>
#include <array>

namespace hearth::sample {

void CharacterSet::add(char32_t first, char32_t last) {
  if (first > last) return;
  // Everything that touches the new range becomes one with it.
  const auto begin = std::partition_point(ranges_.begin(), ranges_.end(),
                                          [&](const Range& r) { return r.second < first && r.second + 1 < first; });
  const auto end = std::partition_point(begin, ranges_.end(), [&](const Range& r) { return r.first <= last + 1; });
  if (begin != end) {
    first = std::min(first, begin->first);
    last = std::max(last, std::prev(end)->second);
  }
  ranges_.insert(ranges_.erase(begin, end), Range{first, last});
}

void CharacterSet::add(const CharacterSet& other) {
  for (const Range& r : other.ranges_) add(r.first, r.second);
}

CharacterSet CharacterSet::negated() const {
  CharacterSet result;
  char32_t next = 0;
  for (const Range& r : ranges_) {
    if (r.first > next) result.ranges_.push_back({next, r.first - 1});
    next = r.second + 1;
  }
  if (next <= last_character) result.ranges_.push_back({next, last_character});
  return result;
}

CharacterSet CharacterSet::without(const CharacterSet& other) const {
  CharacterSet rest = negated();
  rest.add(other);
  return rest.negated();
}

bool CharacterSet::contains(char32_t c) const noexcept {
  const auto after = std::upper_bound(ranges_.begin(), ranges_.end(), c,
                                      [](char32_t value, const Range& r) { return value < r.first; });
  return after != ranges_.begin() && std::prev(after)->second >= c;
}

namespace {

constexpr std::size_t length_of(char32_t c) {
  return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

std::array<std::uint8_t, 4> encode(char32_t c, std::size_t length) {
  std::array<std::uint8_t, 4> bytes{};
  for (std::size_t i = length; i-- > 1; c >>= 6) bytes[i] = std::uint8_t(0x80 | (c & 0x3f));
  constexpr std::array<std::uint8_t, 5> leads = {0, 0, 0xc0, 0xe0, 0xf0};
  bytes[0] = std::uint8_t(leads[length] | c);
  return bytes;
}

// [first, last] is written with `length` bytes throughout; cut where the bytes are not independent of each other.
void add_sequences(char32_t first, char32_t last, std::size_t length, std::vector<ByteSequence>& out) {
  for (std::size_t i = 1; i < length; ++i) {
    const char32_t low = (char32_t(1) << (6 * i)) - 1;  // the bits of the last i bytes
    if ((first & ~low) == (last & ~low)) continue;
    if ((first & low) != 0) {
      add_sequences(first, first | low, length, out);
      return add_sequences((first | low) + 1, last, length, out);
    }
    if ((last & low) != low) {
      add_sequences(first, (last & ~low) - 1, length, out);
      return add_sequences(last & ~low, last, length, out);
    }
  }
  const auto from = encode(first, length), to = encode(last, length);
  ByteSequence sequence;
  for (std::size_t i = 0; i < length; ++i) sequence.push_back({from[i], to[i]});
  out.push_back(std::move(sequence));
}

}  // namespace

char32_t take_character(std::string_view text, std::size_t& at) {
  const auto lead = std::uint8_t(text[at++]);
  if (lead < 0x80) return lead;
  char32_t c = lead < 0xe0 ? lead & 0x1f : lead < 0xf0 ? lead & 0x0f : lead & 0x07;
  for (; at < text.size() && (std::uint8_t(text[at]) & 0xc0) == 0x80; ++at)
    c = c << 6 | (std::uint8_t(text[at]) & 0x3f);
  return c;
}

void append_utf8(std::string& text, char32_t character) {
  const std::size_t length = length_of(character);
  const auto bytes = encode(character, length);
  text.append(bytes.begin(), bytes.begin() + length);
}

std::vector<ByteSequence> utf8_sequences(const CharacterSet& set) {
  struct Band {
    char32_t first, last;
    std::size_t length;
  };
  constexpr std::array<Band, 5> bands = {
      {{0, 0x7f, 1}, {0x80, 0x7ff, 2}, {0x800, 0xd7ff, 3}, {0xe000, 0xffff, 3}, {0x10000, last_character, 4}}};
  std::vector<ByteSequence> sequences;
  for (const Band& band : bands)
    for (const CharacterSet::Range& r : set.ranges()) {
      const char32_t first = std::max(r.first, band.first), last = std::min(r.second, band.last);
      if (first <= last) add_sequences(first, last, band.length, sequences);
    }
  return sequences;
}

}  // namespace hearth::sample
