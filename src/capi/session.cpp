#include "capi/session.h"

#include "capi/arguments.h"

using namespace hearth;
using namespace hearth::capi;

namespace hearth::capi {

Session::Use::Use(std::shared_ptr<Session> session) : session_(std::move(session)) {
  const std::lock_guard lock(session_->mutex_);
  if (session_->closed_) throw Misuse(HEARTH_CLOSED, "the session is closed");
  if (session_->use_) throw Misuse(HEARTH_BUSY, "the session is busy, wait for it, cancel it, or open another");
  session_->use_ = this;
}

Session::Use::~Use() {
  const std::lock_guard lock(session_->mutex_);
  session_->use_ = nullptr;
  session_->used_ = session_->chat_.session().tokens().size();
}

void Session::cancel() {
  const std::lock_guard lock(mutex_);
  if (use_) use_->stop().request_stop();
}

void Session::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  if (use_) use_->stop().request_stop();
}

Session::State Session::state() const {
  const std::lock_guard lock(mutex_);
  return {used_, use_ != nullptr};
}

}  // namespace hearth::capi

namespace {

constexpr std::size_t options_v1 = sizeof(hearth_session_options), info_v1 = sizeof(hearth_session_info);

hearth_session_options defaults() {
  hearth_session_options options{};
  options.struct_size = sizeof options;
  return options;
}

}  // namespace

hearth_status hearth_session_options_init(hearth_session_options* options, size_t struct_size, hearth_error** error) {
  return guard(error, [&] { write(options, struct_size, defaults(), options_v1, "hearth_session_options"); });
}

hearth_status hearth_session_open(hearth_model* model, const hearth_session_options* options, hearth_session** session,
                                  hearth_error** error) {
  return guard(error, [&] {
    need(session, "session");
    *session = nullptr;
    const auto given = read(options, defaults(), options_v1, "hearth_session_options");
    *session = publish<hearth_session>(std::make_shared<Session>(get(model), given.context_length));
  });
}

void hearth_session_close(hearth_session* session) {
  const auto object = take(session);
  if (object) quietly([&] { object->close(); });
}

void hearth_session_cancel(hearth_session* session) {
  quietly([&] { get(session)->cancel(); });
}

hearth_status hearth_session_get_info(hearth_session* session, hearth_session_info* info, hearth_error** error) {
  return guard(error, [&] {
    const auto object = get(session);
    need(info, "info");
    const auto state = object->state();
    hearth_session_info value{};
    value.context_length = std::uint32_t(object->context_length());
    value.used_tokens = std::uint32_t(state.used);
    value.busy = state.busy;
    write(info, info->struct_size, value, info_v1, "hearth_session_info");
  });
}

hearth_status hearth_session_set_system(hearth_session* session, const char* text, hearth_error** error) {
  return guard(error, [&] {
    Session::Use use(get(session));
    use.chat().set_system(text ? std::string(utf8(text, "text")) : std::string());
  });
}

hearth_status hearth_session_messages(hearth_session* session, char** json, hearth_error** error) {
  return guard(error, [&] {
    need(json, "json");
    *json = nullptr;
    Session::Use use(get(session));
    *json = copy_text(use.chat().messages().dump());
  });
}

hearth_status hearth_session_set_messages(hearth_session* session, const char* messages, hearth_error** error) {
  return guard(error, [&] {
    Session::Use use(get(session));
    use.chat().set_messages(capi::json(messages, nlohmann::json::value_t::array, "messages"));
  });
}

hearth_status hearth_session_reset(hearth_session* session, hearth_error** error) {
  return guard(error, [&] {
    Session::Use use(get(session));
    use.chat().reset();
  });
}
