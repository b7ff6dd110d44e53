// Ctrl-C: the first asks what runs to stop, a second one ends the program.
#pragma once

namespace hearth::cli {

class Interrupt {
 public:
  Interrupt();   // catches SIGINT from here on and forgets earlier ones
  ~Interrupt();  // gives it back
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  bool asked() const noexcept;
};

}  // namespace hearth::cli
