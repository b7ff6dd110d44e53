// Ctrl-C: the first asks what runs to stop, a second one ends the program.
#pragma once

#include <stop_token>

namespace hearth::cli {

class Interrupt {
 public:
  Interrupt();   // catches SIGINT from here on and forgets earlier ones
  ~Interrupt();  // gives it back
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  bool asked() const noexcept;
  std::stop_token token() const;  // for what looks for itself
};

}  // namespace hearth::cli
