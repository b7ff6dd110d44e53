#include <cstdlib>

#include "capi/guard.h"

struct hearth_error {
  hearth_status status;
  std::string message;
};

namespace hearth::capi {

namespace {
hearth_error& no_memory_left() {
  static hearth_error error{HEARTH_OUT_OF_MEMORY, "no memory"};  // short enough to need none
  return error;
}
}  // namespace

hearth_status status_of(Code code) noexcept {
  switch (code) {
    case Code::usage:
      return HEARTH_USAGE;
    case Code::bad_input:
      return HEARTH_BAD_INPUT;
    case Code::not_found:
      return HEARTH_NOT_FOUND;
    case Code::unsupported:
      return HEARTH_UNSUPPORTED;
    case Code::too_long:
      return HEARTH_TOO_LONG;
    case Code::out_of_memory:
      return HEARTH_OUT_OF_MEMORY;
    case Code::io:
      return HEARTH_IO;
    case Code::cancelled:
      return HEARTH_CANCELLED;
    case Code::internal:
      return HEARTH_INTERNAL;
  }
  return HEARTH_INTERNAL;
}

hearth_status report(hearth_error** out, hearth_status status, const char* message) noexcept {
  if (!out) return status;
  try {
    *out = new hearth_error{status, message};
  } catch (...) {
    *out = &no_memory_left();
  }
  return status;
}

}  // namespace hearth::capi

using namespace hearth::capi;

const char* hearth_status_name(hearth_status status) {
  switch (status) {
    case HEARTH_OK:
      return "ok";
    case HEARTH_USAGE:
      return "usage";
    case HEARTH_BAD_INPUT:
      return "bad_input";
    case HEARTH_NOT_FOUND:
      return "not_found";
    case HEARTH_UNSUPPORTED:
      return "unsupported";
    case HEARTH_TOO_LONG:
      return "too_long";
    case HEARTH_OUT_OF_MEMORY:
      return "out_of_memory";
    case HEARTH_IO:
      return "io";
    case HEARTH_CANCELLED:
      return "cancelled";
    case HEARTH_INTERNAL:
      return "internal";
    case HEARTH_BUSY:
      return "busy";
    case HEARTH_CLOSED:
      return "closed";
  }
  return "unknown";
}

hearth_status hearth_error_status(const hearth_error* error) {
  return error ? error->status : HEARTH_OK;
}

const char* hearth_error_message(const hearth_error* error) {
  return error ? error->message.c_str() : "";
}

void hearth_error_free(hearth_error* error) {
  if (error != &no_memory_left()) delete error;
}

void hearth_free(void* memory) {
  std::free(memory);
}
