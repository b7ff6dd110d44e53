// One rendering: its limits, its memory, and where in the template it is.
#pragma once

#include <string>
#include <string_view>

#include "text/chat_template.h"
#include "text/jinja/value.h"

namespace hearth::text::jinja {

// Counts what lives; takes objects apart one after another, however deeply they are nested.
struct Heap {
  void bury(Object* object) noexcept;

  std::size_t live = 0;
  std::vector<std::weak_ptr<Object>> mutables;  // what circles may run through
  std::size_t prune_at = 64;

 private:
  Object* dead_ = nullptr;
  bool burying_ = false;
};

class Runtime {
 public:
  Runtime(const TemplateLimits& limits, long long now) : limits_(limits), now_(now) {}
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  ~Runtime();

  // Throws bad_input with the line being evaluated.
  [[noreturn]] void fail(std::string_view what) const;
  void step(std::size_t count = 1) {
    if (count > limits_.steps - steps_) too_many_steps();
    steps_ += count;
  }
  // A step for every KiB that is read, copied or compared.
  void work(std::size_t bytes) { step(bytes / 1024); }
  void append(std::string& text, std::string_view piece) const {
    if (piece.size() > limits_.output - std::min(text.size(), limits_.output)) too_long();
    text.append(piece);
  }
  // Throws unless a text of so many bytes may be made.
  void may_make(Int bytes) const {
    if (bytes > static_cast<Int>(limits_.output)) too_long();
  }

  Value text(std::string value, bool markup = false);
  Value list(Values values) { return sequence(Kind::list, std::move(values)); }
  Value tuple(Values values) { return sequence(Kind::tuple, std::move(values)); }
  Value view(const char* name, Values values);
  Value dict(std::unique_ptr<Dict> dict);
  Value generator(Generator::Next next);
  Value function(std::string name, Function::Body body);
  // Things may be changed later, so that circles may run through them.
  template <class T>
  std::shared_ptr<T> thing(std::unique_ptr<T> made, std::size_t bytes = 256) {
    auto owned = own(std::move(made), bytes);
    remember(owned);
    return owned;
  }
  template <class T>
  std::shared_ptr<T> own(std::unique_ptr<T> made, std::size_t bytes) {
    take(bytes);
    T* object = made.release();
    object->heap = &heap_;
    object->bytes = bytes;
    return std::shared_ptr<T>(object, [](T* dead) { dead->heap->bury(dead); });
  }
  void take(std::size_t bytes);  // counts memory that an object adds to what it has

  // Depth of nesting, held for as long as the guard lives.
  class Level {
   public:
    explicit Level(Runtime& runtime) : runtime_(runtime) {
      if (++runtime_.depth_ > runtime_.limits_.depth) {
        --runtime_.depth_;
        runtime_.too_deep();
      }
    }
    ~Level() { --runtime_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Runtime& runtime_;
  };

  const TemplateLimits& limits() const noexcept { return limits_; }
  long long now() const noexcept { return now_; }
  std::uint32_t line = 1;

 private:
  Value sequence(Kind kind, Values values);
  void remember(const std::shared_ptr<Object>& object);
  [[noreturn]] void too_many_steps() const;
  [[noreturn]] void too_long() const;
  [[noreturn]] void too_deep() const;

  TemplateLimits limits_;
  long long now_;
  std::size_t steps_ = 0;
  std::size_t depth_ = 0;
  Heap heap_;
};

}  // namespace hearth::text::jinja
