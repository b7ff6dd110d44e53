// A request to stop that calls can be given, and what long calls ask on their way.
#pragma once

#include <atomic>
#include <memory>
#include <stop_token>

#include "capi/handles.h"

namespace hearth::capi {

class Cancellation {
 public:
  std::stop_source source;

  void renew() noexcept {
    fresh_ = true;
    renewable_ = true;
  }
  // Asked after each callback: whether what it returned is its word.
  bool kept() noexcept { return !renewable_ || fresh_.exchange(false); }

 private:
  std::atomic<bool> renewable_{false}, fresh_{false};
};

// The progress callback and the cancellation of one call.
class Watch {
 public:
  Watch(hearth_on_progress on_progress, void* user, hearth_cancellation* cancellation)
      : on_progress_(on_progress), user_(user), cancellation_(cancellation ? get(cancellation) : nullptr) {}

  // False where either asks to stop.
  bool goes_on(double fraction) const {
    if (cancellation_ && cancellation_->source.stop_requested()) return false;
    return !on_progress_ || (on_progress_(fraction, user_) == 0 && (!cancellation_ || cancellation_->kept()));
  }
  void reach(double fraction) const {
    if (!goes_on(fraction)) throw Error(Code::cancelled, "cancelled");
  }

 private:
  hearth_on_progress on_progress_;
  void* user_;
  std::shared_ptr<Cancellation> cancellation_;
};

}  // namespace hearth::capi
