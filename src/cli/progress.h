// How far long work is: one line on a terminal, nothing in a pipe.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <string>

namespace hearth::cli {

// The line is gone before a result is printed (clear), and when the work ends by an error, whose line takes its place.
class Progress {
 public:
  Progress() = default;
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(const std::string& line) {
    if (!terminal_ || line == shown_) return;
    std::fprintf(stderr, "\r\033[K%s", line.c_str());
    std::fflush(stderr);
    shown_ = line;
  }
  void clear() {
    if (!shown_.empty()) std::fputs("\r\033[K", stderr);
    shown_.clear();
  }

 private:
  const bool terminal_ = isatty(STDERR_FILENO) != 0;
  std::string shown_;
};

}  // namespace hearth::cli
