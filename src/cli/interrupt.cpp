#include "cli/interrupt.h"

#include <csignal>

namespace hearth::cli {

namespace {
volatile std::sig_atomic_t presses = 0;

void on_signal(int signal) {
  presses = presses + 1;
  if (presses > 1) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
}
}  // namespace

Interrupt::Interrupt() {
  presses = 0;
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
}

Interrupt::~Interrupt() {
  std::signal(SIGINT, SIG_DFL);
}

bool Interrupt::asked() const noexcept {
  return presses != 0;
}

}  // namespace hearth::cli
