// Strings that end an answer, found in streamed text however it is cut into pieces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::sample {

// The stop string that ends first wins; of two that end together, the longer. Memory stays below the stop strings' own.
class StopStrings {
 public:
  // Throws usage for an empty string and for one that is not UTF-8.
  explicit StopStrings(std::span<const std::string> stops);

  struct Met {
    std::string text;                 // what can no longer be part of a stop string
    std::optional<std::size_t> stop;  // the one that was met: `text` ends before it, and all is over
  };
  Met push(std::string_view text);
  // What was held back as a possible beginning, at the end of the text.
  std::string finish();

 private:
  struct Matcher {
    std::string stop;
    std::vector<std::uint32_t> border;  // [i]: the longest proper prefix of stop[0, i] that also ends it
    std::size_t matched = 0;            // bytes of `stop` that the text so far ends with
    void step(char byte);
  };
  std::vector<Matcher> matchers_;
  std::string held_;
  bool over_ = false;
};

}  // namespace hearth::sample
