// Handles are numbers, never used twice: what is closed, of another kind, or no handle at all is known as such.
#pragma once

#include <memory>
#include <string_view>

#include "capi/guard.h"

namespace hearth::capi {

class Model;
class Session;
class Adapter;
class Cancellation;

enum class Kind { model = 1, session, adapter, cancellation };

// What a pointer type of hearth.h stands for.
template <class Handle>
struct HandleOf;
template <>
struct HandleOf<hearth_model> {
  static constexpr Kind kind = Kind::model;
  using Object = Model;
};
template <>
struct HandleOf<hearth_session> {
  static constexpr Kind kind = Kind::session;
  using Object = Session;
};
template <>
struct HandleOf<hearth_adapter> {
  static constexpr Kind kind = Kind::adapter;
  using Object = Adapter;
};
template <>
struct HandleOf<hearth_cancellation> {
  static constexpr Kind kind = Kind::cancellation;
  using Object = Cancellation;
};

void* add_handle(Kind kind, std::shared_ptr<void> object);
// Throws Misuse: usage where `handle` is none of this kind, closed where it was.
std::shared_ptr<void> find_handle(Kind kind, const void* handle);
// Null where there is none; never throws.
std::shared_ptr<void> remove_handle(Kind kind, const void* handle) noexcept;

template <class Handle>
Handle* publish(std::shared_ptr<typename HandleOf<Handle>::Object> object) {
  return static_cast<Handle*>(add_handle(HandleOf<Handle>::kind, std::move(object)));
}

template <class Handle>
auto get(const Handle* handle) {
  return std::static_pointer_cast<typename HandleOf<Handle>::Object>(find_handle(HandleOf<Handle>::kind, handle));
}

template <class Handle>
auto take(const Handle* handle) noexcept {
  return std::static_pointer_cast<typename HandleOf<Handle>::Object>(remove_handle(HandleOf<Handle>::kind, handle));
}

}  // namespace hearth::capi
