// The one error type of the house: thrown low, caught at the doors (cli, server, capi).
#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace hearth {

enum class Code {
  usage,        // the caller asked for something that makes no sense
  bad_input,    // a file, request or text from outside is at fault
  not_found,    // a file, key, tensor or name is not there
  unsupported,  // understood, and not something this program does
  too_long,     // does not fit: a prompt longer than its context
  out_of_memory,
  io,  // the system refused a read, a write, a connection
  cancelled,
  internal,  // our own mistake
};

// Reads as one line: WHAT, WHERE, WHAT TO DO. `where` and `advice` may be empty.
class Error : public std::exception {
 public:
  explicit Error(Code code, std::string_view what, std::string_view where = {}, std::string_view advice = {});

  Code code() const noexcept { return code_; }
  const char* what() const noexcept override { return line_.c_str(); }

 private:
  Code code_;
  std::string line_;
};

namespace detail {
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}

}  // namespace hearth

// For our own mistakes only: never reached by input, however bad.
#define HEARTH_CHECK(condition) ((condition) ? void(0) : ::hearth::detail::check_failed(#condition, __FILE__, __LINE__))
