#include "capi/cancellation.h"

#include "capi/arguments.h"

using namespace hearth::capi;

hearth_status hearth_cancellation_new(hearth_cancellation** cancellation, hearth_error** error) {
  return guard(error, [&] {
    need(cancellation, "cancellation");
    *cancellation = nullptr;
    *cancellation = publish<hearth_cancellation>(std::make_shared<Cancellation>());
  });
}

void hearth_cancel(hearth_cancellation* cancellation) {
  quietly([&] { get(cancellation)->source.request_stop(); });
}

void hearth_cancellation_renew(hearth_cancellation* cancellation) {
  quietly([&] { get(cancellation)->renew(); });
}

void hearth_cancellation_close(hearth_cancellation* cancellation) {
  take(cancellation);
}
