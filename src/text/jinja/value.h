// Python's values, as far as templates meet them. Everything but loops and namespaces is immutable once made.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hearth::text::jinja {

class Runtime;
class Value;

__extension__ using Int = __int128;  // a result beyond it is an error, not a wrong number

enum class Kind : std::uint8_t {
  undefined,
  none,
  boolean,
  integer,
  floating,
  text,
  list,
  tuple,
  dict,
  range,
  view,      // dict.keys(), .values(), .items()
  iterator,  // what map, select, ... make: gone through once
  thing      // functions, macros, namespaces, loops
};

struct Heap;

// What lives on the heap of a rendering, or (heap == nullptr) in the template or its context.
struct Object {
  virtual ~Object() = default;
  // Drops what it refers to; called at the end of a rendering, so that circles come apart.
  virtual void clear() {}

  Heap* heap = nullptr;
  std::size_t bytes = 0;
  Object* next_dead = nullptr;
};

class Value {
 public:
  Value() = default;  // None
  static Value undefined(std::string message);
  static Value boolean(bool value);
  static Value integer(Int value);
  static Value floating(double value);
  static Value text(std::string value);  // outside any rendering's heap: constants, context
  static Value of(Kind kind, std::shared_ptr<Object> object) {
    Value value;
    value.kind_ = kind;
    value.object_ = std::move(object);
    return value;
  }

  Kind kind() const noexcept { return kind_; }
  bool is(Kind kind) const noexcept { return kind_ == kind; }
  bool is_undefined() const noexcept { return kind_ == Kind::undefined; }
  bool is_none() const noexcept { return kind_ == Kind::none; }
  bool is_text() const noexcept { return kind_ == Kind::text; }
  bool is_integral() const noexcept { return kind_ == Kind::integer || kind_ == Kind::boolean; }
  bool is_number() const noexcept { return is_integral() || kind_ == Kind::floating; }

  bool truth() const noexcept { return integer_ != 0; }  // of a boolean
  Int integer() const noexcept { return integer_; }      // of a boolean or an integer
  double floating() const noexcept { return kind_ == Kind::floating ? floating_ : static_cast<double>(integer_); }
  const std::string& text() const;  // of a text, or of an undefined: why it is
  template <class T>
  T& as() const noexcept {
    return static_cast<T&>(*object_);
  }
  const std::shared_ptr<Object>& object() const noexcept { return object_; }

 private:
  Kind kind_ = Kind::none;
  double floating_ = 0;
  Int integer_ = 0;
  std::shared_ptr<Object> object_;
};

using Values = std::vector<Value>;

struct Text : Object {
  explicit Text(std::string value, bool safe = false);
  bool ascii() const noexcept { return length == value.size(); }

  std::string value;
  std::size_t length;  // code points
  bool markup;         // markupsafe's Markup: what is added to it is escaped
};

struct Sequence : Object {  // list, tuple, view
  explicit Sequence(Values values) : items(std::move(values)) {}
  Values items;
  const char* name = nullptr;  // of a view: "dict_items"
  bool group = false;          // a tuple of groupby: .grouper and .list
};

struct Range : Object {
  Range(Int first, Int end, Int stride) : start(first), stop(end), step(stride) {}
  Int size() const;
  Int start, stop, step;
};

// In the order of insertion, found by hash.
struct Dict : Object {
  const Value* find(Runtime& runtime, const Value& key) const;
  const Value* find(std::string_view key) const;
  void set(Runtime& runtime, Value key, Value value);  // while it is being built

  std::vector<std::pair<Value, Value>> entries;

 private:
  template <class Same>
  std::size_t slot(std::size_t hash, const Same& same) const;
  void grow(std::size_t slots);

  std::vector<std::size_t> hashes_;   // of the entries
  std::vector<std::uint32_t> slots_;  // entry + 1, 0 is empty; a power of two
};

struct Generator : Object {
  using Next = std::function<std::optional<Value>(Runtime&)>;
  explicit Generator(Next step) : next(std::move(step)) {}
  void clear() override { next = nullptr; }
  Next next;
};

struct Arguments {
  Values positional;
  std::vector<std::pair<std::string, Value>> named;
};

// What has attributes of its own or can be called.
struct Thing : Object {
  virtual std::string_view type() const = 0;
  virtual std::optional<Value> attribute(Runtime&, std::string_view) { return std::nullopt; }
  virtual bool callable() const { return false; }
  virtual Value call(Runtime& runtime, Arguments& arguments);
  virtual std::string show(Runtime& runtime);  // repr()
};

struct Function : Thing {
  using Body = std::function<Value(Runtime&, Arguments&)>;
  Function(std::string function_name, Body code) : name(std::move(function_name)), body(std::move(code)) {}
  std::string_view type() const override { return "function"; }
  bool callable() const override { return true; }
  Value call(Runtime& runtime, Arguments& arguments) override { return body(runtime, arguments); }
  std::string show(Runtime&) override { return "<function " + name + ">"; }
  std::string name;
  Body body;
};

// namespace(...)
struct Space : Thing {
  std::string_view type() const override { return "Namespace"; }
  std::optional<Value> attribute(Runtime& runtime, std::string_view name) override;
  std::string show(Runtime& runtime) override;
  void set(Runtime& runtime, std::string_view name, Value value);
  void clear() override { attributes.clear(); }
  std::vector<std::pair<std::string, Value>> attributes;
};

std::string_view type_name(const Value& value);  // as Python calls it: "str", "NoneType"
bool truthy(const Value& value);

// Goes through what Python's iter() accepts; throws on anything else.
class Iterator {
 public:
  Iterator(Runtime& runtime, Value source);
  std::optional<Value> next(Runtime& runtime);

 private:
  Value source_;
  std::size_t at_ = 0;
};
bool iterable(const Value& value);
Values to_values(Runtime& runtime, const Value& iterable);  // list(x), without making the list

// len(), where there is one.
std::optional<std::size_t> length_of(const Value& value);

}  // namespace hearth::text::jinja
