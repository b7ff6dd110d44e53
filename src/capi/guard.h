// Every function of the C ABI is one call of `guard`: what is thrown becomes a status and a hearth_error.
#pragma once

#include <new>
#include <string>

#include "base/error.h"
#include "hearth/hearth.h"

namespace hearth::capi {

// A fault that only the C ABI knows: of handles and their use.
class Misuse : public std::exception {
 public:
  Misuse(hearth_status status, std::string message) : status_(status), message_(std::move(message)) {}
  hearth_status status() const noexcept { return status_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  hearth_status status_;
  std::string message_;
};

hearth_status status_of(Code code) noexcept;
// Stores an error where `out` is one, and returns `status`.
hearth_status report(hearth_error** out, hearth_status status, const char* message) noexcept;

template <class Body>
hearth_status guard(hearth_error** out, Body&& body) noexcept {
  if (out) *out = nullptr;
  try {
    body();
    return HEARTH_OK;
  } catch (const Error& error) {
    return report(out, status_of(error.code()), error.what());
  } catch (const Misuse& error) {
    return report(out, error.status(), error.what());
  } catch (const std::bad_alloc&) {
    return report(out, HEARTH_OUT_OF_MEMORY, "not enough memory");
  } catch (const std::exception& error) {
    return report(out, HEARTH_INTERNAL, error.what());
  } catch (...) {
    return report(out, HEARTH_INTERNAL, "unknown fault");
  }
}

// For functions that cannot fail.
template <class Body>
void quietly(Body&& body) noexcept {
  try {
    body();
  } catch (...) {  // nothing that could be told, and nobody to tell
  }
}

}  // namespace hearth::capi
