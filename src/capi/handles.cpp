#include "capi/handles.h"

#include <fmt/format.h>
#include <pthread.h>

#include <cstdint>
#include <mutex>
#include <new>
#include <shared_mutex>
#include <unordered_map>

namespace hearth::capi {

namespace {

// A handle is base + 16 * count + kind: far from null, and below where memory is mapped, so that garbage collectors
// that look at it see no pointer of theirs.
constexpr std::uintptr_t base = 0x10000, step = 16;

using Objects = std::unordered_map<std::uintptr_t, std::shared_ptr<void>>;

struct Table {
  std::shared_mutex mutex;
  std::uintptr_t next = base;
  std::uintptr_t first = base;  // below it: of the process that this one was forked from
  Objects* objects = new Objects;

  Table();
};

// Never destroyed: finalizers of garbage-collected languages may close handles while the process ends.
Table& table() {
  static Table& one = *new Table;
  return one;
}

// Threads stay behind when a process forks, and whoever waits for one in the child waits for ever. So what the parent
// had open is neither used there nor destroyed. A lock belongs to the parent's thread: the child has a new one.
Table::Table() {
  pthread_atfork([] { table().mutex.lock(); }, [] { table().mutex.unlock(); },
                 [] {
                   Table& all = table();
                   new (&all.mutex) std::shared_mutex;
                   all.first = all.next;
                   all.objects = new Objects;
                 });
}

const char* name(Kind kind) {
  switch (kind) {
    case Kind::model:
      return "model";
    case Kind::session:
      return "session";
    case Kind::adapter:
      return "adapter";
    case Kind::cancellation:
      return "cancellation";
  }
  return "handle";
}

}  // namespace

void* add_handle(Kind kind, std::shared_ptr<void> object) {
  Table& all = table();
  const std::unique_lock lock(all.mutex);
  const std::uintptr_t number = all.next + std::uintptr_t(kind);
  all.objects->emplace(number, std::move(object));
  all.next += step;
  return reinterpret_cast<void*>(number);  // NOLINT(performance-no-int-to-ptr): never followed
}

std::shared_ptr<void> find_handle(Kind kind, const void* handle) {
  if (!handle) throw Misuse(HEARTH_USAGE, fmt::format("the {} is NULL", name(kind)));
  const auto number = reinterpret_cast<std::uintptr_t>(handle);
  Table& all = table();
  const std::shared_lock lock(all.mutex);
  const std::uintptr_t low = number % step;
  const bool issued = number >= base && number < all.next && low >= 1 && low <= std::uintptr_t(Kind::cancellation);
  if (!issued) throw Misuse(HEARTH_USAGE, fmt::format("the {} is not a handle of this library", name(kind)));
  if (Kind(low) != kind)
    throw Misuse(HEARTH_USAGE, fmt::format("a handle of kind {} was given for a {}", name(Kind(low)), name(kind)));
  if (number < all.first)
    throw Misuse(HEARTH_USAGE,
                 fmt::format("the {} was opened before the process forked, open it in this one", name(kind)));
  const auto found = all.objects->find(number);
  if (found == all.objects->end()) throw Misuse(HEARTH_CLOSED, fmt::format("the {} is closed", name(kind)));
  return found->second;
}

std::shared_ptr<void> remove_handle(Kind kind, const void* handle) noexcept {
  const auto number = reinterpret_cast<std::uintptr_t>(handle);
  if (number % step != std::uintptr_t(kind)) return nullptr;
  Table& all = table();
  const std::unique_lock lock(all.mutex);
  const auto found = all.objects->find(number);
  if (found == all.objects->end()) return nullptr;
  std::shared_ptr<void> object = std::move(found->second);
  all.objects->erase(found);
  return object;
}

}  // namespace hearth::capi
