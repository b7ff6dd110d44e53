#include "cli/interrupt.h"

#include <csignal>

namespace hearth::cli {

namespace {
std::stop_source stop;

void on_signal(int signal) {
  if (stop.request_stop()) return;  // without callbacks that only sets a bit
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}
}  // namespace

Interrupt::Interrupt() {
  stop = {};
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
}

Interrupt::~Interrupt() {
  std::signal(SIGINT, SIG_DFL);
}

bool Interrupt::asked() const noexcept {
  return stop.stop_requested();
}

std::stop_token Interrupt::token() const {
  return stop.get_token();
}

}  // namespace hearth::cli
