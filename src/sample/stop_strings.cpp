#include "sample/stop_strings.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"

namespace hearth::sample {

void StopStrings::Matcher::step(char byte) {
  if (matched == stop.size()) matched = border[matched - 1];
  while (matched > 0 && stop[matched] != byte) matched = border[matched - 1];
  if (stop[matched] == byte) ++matched;
}

StopStrings::StopStrings(std::span<const std::string> stops) {
  for (const std::string& stop : stops) {
    if (stop.empty()) throw Error(Code::usage, "a stop string is empty");
    if (!is_utf8(stop)) throw Error(Code::usage, "a stop string is not UTF-8");
    Matcher matcher{.stop = stop, .border = {0}};
    for (std::size_t i = 1; i < stop.size(); ++i) {  // the text `stop`, matched against itself one byte behind
      matcher.step(stop[i]);
      matcher.border.push_back(std::uint32_t(matcher.matched));
    }
    matcher.matched = 0;
    matchers_.push_back(std::move(matcher));
  }
}

StopStrings::Met StopStrings::push(std::string_view text) {
  Met met;
  if (over_) return met;
  for (const char byte : text) {
    held_ += byte;
    std::size_t possible = 0, longest = 0;
    for (std::size_t i = 0; i < matchers_.size(); ++i) {
      Matcher& matcher = matchers_[i];
      matcher.step(byte);
      possible = std::max(possible, matcher.matched);
      if (matcher.matched == matcher.stop.size() && matcher.matched > longest) {
        longest = matcher.matched;
        met.stop = i;
      }
    }
    if (met.stop) {
      met.text.append(held_, 0, held_.size() - longest);
      held_.clear();
      over_ = true;
      return met;
    }
    met.text.append(held_, 0, held_.size() - possible);
    held_.erase(0, held_.size() - possible);
  }
  return met;
}

std::string StopStrings::finish() {
  over_ = true;
  return std::exchange(held_, {});
}

}  // namespace hearth::sample
