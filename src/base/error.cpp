#include "base/error.h"

#include <fmt/format.h>

#include "base/utf8.h"

namespace hearth {

Error::Error(Code code, std::string_view what, std::string_view where, std::string_view advice)
    : code_(code), line_(what) {
  for (std::string_view part : {where, advice})
    if (!part.empty()) line_.append(", ").append(part);
  for (char& c : line_)  // one line, whatever a file's keys or names hold
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  for (std::size_t at = 0; (at += utf8_valid_prefix(std::string_view(line_).substr(at))) < line_.size();)
    line_[at] = '?';
}

namespace detail {
void check_failed(const char* condition, const char* file, int line) {
  throw Error(Code::internal, fmt::format("internal fault: {}", condition), fmt::format("{}:{}", file, line),
              "please report this");
}
}  // namespace detail

}  // namespace hearth
