#include "text/jinja/show.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/jinja/operators.h"
#include "text/jinja/unicode.h"

namespace hearth::text::jinja {

std::string show_integer(Int value) {
  return fmt::format("{}", value);
}

std::string show_float(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string text(buffer, end);
  const std::size_t e = text.find('e');
  const int exponent = std::stoi(text.substr(e + 1));
  if (exponent < -4 || exponent >= 16) return text;
  const bool minus = text[0] == '-';
  std::string digits;
  for (const char c : text.substr(0, e))
    if (c >= '0' && c <= '9') digits.push_back(c);
  std::string out;
  if (exponent < 0) {
    out = "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  } else {
    const auto whole = static_cast<std::size_t>(exponent) + 1;
    if (digits.size() < whole + 1) digits.append(whole + 1 - digits.size(), '0');
    out = digits.substr(0, whole) + "." + digits.substr(whole);
  }
  return minus ? "-" + out : out;
}

std::string quote(std::string_view text) {
  const char mark = text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string out(1, mark);
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = decode(text, at);
    if (c == static_cast<char32_t>(mark) || c == '\\') {
      out.push_back('\\');
      append(out, c);
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out.append(c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
    } else if (is_printable(c)) {
      append(out, c);
    } else {
      const auto code = static_cast<std::uint32_t>(c);
      out.append(code < 0x100     ? fmt::format("\\x{:02x}", code)
                 : code < 0x10000 ? fmt::format("\\u{:04x}", code)
                                  : fmt::format("\\U{:08x}", code));
    }
  }
  out.push_back(mark);
  return out;
}

namespace {

void show_into(Runtime& runtime, std::string& out, const Value& value);

void show_items(Runtime& runtime, std::string& out, const Values& items) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) runtime.append(out, ", ");
    show_into(runtime, out, items[i]);
  }
}

void show_into(Runtime& runtime, std::string& out, const Value& value) {
  runtime.step();
  const Runtime::Level level(runtime);
  const auto add = [&](std::string_view piece) { runtime.append(out, piece); };
  switch (value.kind()) {
    case Kind::undefined:
      return add("Undefined");
    case Kind::none:
      return add("None");
    case Kind::boolean:
      return add(value.truth() ? "True" : "False");
    case Kind::integer:
      return add(show_integer(value.integer()));
    case Kind::floating:
      return add(show_float(value.floating()));
    case Kind::text:
      runtime.work(value.text().size());
      if (value.as<Text>().markup) return add("Markup(" + quote(value.text()) + ")");
      return add(quote(value.text()));
    case Kind::list:
      add("[");
      show_items(runtime, out, value.as<Sequence>().items);
      return add("]");
    case Kind::tuple: {
      const Values& items = value.as<Sequence>().items;
      add("(");
      show_items(runtime, out, items);
      return add(items.size() == 1 ? ",)" : ")");
    }
    case Kind::view:
      add(fmt::format("{}([", value.as<Sequence>().name));
      show_items(runtime, out, value.as<Sequence>().items);
      return add("])");
    case Kind::dict: {
      add("{");
      bool first = true;
      for (const auto& [key, item] : value.as<Dict>().entries) {
        if (!first) add(", ");
        first = false;
        show_into(runtime, out, key);
        add(": ");
        show_into(runtime, out, item);
      }
      return add("}");
    }
    case Kind::range: {
      const auto& range = value.as<Range>();
      add(fmt::format("range({}, {}", range.start, range.stop));
      return add(range.step == 1 ? ")" : fmt::format(", {})", range.step));
    }
    case Kind::iterator:
      return add("<generator object>");
    case Kind::thing:
      return add(value.as<Thing>().show(runtime));
  }
}

}  // namespace

std::string repr(Runtime& runtime, const Value& value) {
  std::string out;
  show_into(runtime, out, value);
  return out;
}

std::string str(Runtime& runtime, const Value& value) {
  if (value.is_text()) return value.text();
  if (value.is_undefined()) return "";
  return repr(runtime, value);
}

std::string escaped(Runtime& runtime, std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        runtime.append(out, "&amp;");
        break;
      case '<':
        runtime.append(out, "&lt;");
        break;
      case '>':
        runtime.append(out, "&gt;");
        break;
      case '\'':
        runtime.append(out, "&#39;");
        break;
      case '"':
        runtime.append(out, "&#34;");
        break;
      default:
        out.push_back(c);
    }
  }
  return out;
}

namespace {

class JsonWriter {
 public:
  JsonWriter(Runtime& runtime, const JsonStyle& style) : runtime_(runtime), style_(style) {}

  void write(const Value& value) {
    runtime_.step();
    const Runtime::Level level(runtime_);
    switch (value.kind()) {
      case Kind::none:
        return add("null");
      case Kind::boolean:
        return add(value.truth() ? "true" : "false");
      case Kind::integer:
        return add(show_integer(value.integer()));
      case Kind::floating:
        return add(number(value.floating()));
      case Kind::text:
        return text(value.text());
      case Kind::list:
      case Kind::tuple:
        return list(value.as<Sequence>().items);
      case Kind::dict:
        return dict(value);
      default:
        if (value.is_undefined()) runtime_.fail("undefined is not JSON: " + value.text());
        runtime_.fail(fmt::format("Object of type {} is not JSON serializable", type_name(value)));
    }
  }

  std::string out;

 private:
  void add(std::string_view piece) { runtime_.append(out, piece); }

  void line() {
    if (!style_.indent) return;
    add("\n");
    for (std::size_t i = 0; i < depth_; ++i) add(*style_.indent);
  }

  static std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
    return show_float(value);
  }

  void text(std::string_view value) {
    runtime_.work(value.size());
    add("\"");
    for (std::size_t at = 0; at < value.size();) {
      const std::size_t begin = at;
      const char32_t c = decode(value, at);
      const auto code = static_cast<std::uint32_t>(c);
      constexpr std::string_view plain = "\"\\\n\r\t\f\b", letters = "\"\\nrtfb";
      if (const auto which = code < 0x80 ? plain.find(static_cast<char>(code)) : std::string_view::npos;
          which != std::string_view::npos) {
        add(std::string{'\\', letters[which]});
      } else if (code < 0x20 || (style_.ensure_ascii && code >= 0x7f && code < 0x10000 && code != 0x7f)) {
        add(fmt::format("\\u{:04x}", code));
      } else if (style_.ensure_ascii && code >= 0x10000) {
        const std::uint32_t rest = code - 0x10000;
        add(fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + (rest >> 10), 0xdc00 + (rest & 0x3ff)));
      } else {
        add(value.substr(begin, at - begin));
      }
    }
    add("\"");
  }

  template <class Item>
  void items(char open, char close, std::size_t count, const Item& item) {
    add(std::string_view(&open, 1));
    ++depth_;
    for (std::size_t i = 0; i < count; ++i) {
      if (i > 0) add(style_.comma);
      line();
      item(i);
    }
    --depth_;
    if (count > 0) line();
    add(std::string_view(&close, 1));
  }

  void list(const Values& values) {
    items('[', ']', values.size(), [&](std::size_t i) { write(values[i]); });
  }

  void dict(const Value& value) {
    const auto& entries = value.as<Dict>().entries;
    std::vector<std::size_t> order(entries.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    if (style_.sort_keys)
      std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return less(runtime_, entries[a].first, entries[b].first);
      });
    items('{', '}', order.size(), [&](std::size_t i) {
      const auto& [key, item] = entries[order[i]];
      text(key_text(key));
      add(style_.colon);
      write(item);
    });
  }

  std::string key_text(const Value& key) {
    switch (key.kind()) {
      case Kind::text:
        return key.text();
      case Kind::none:
        return "null";
      case Kind::boolean:
        return key.truth() ? "true" : "false";
      case Kind::integer:
        return show_integer(key.integer());
      case Kind::floating:
        return number(key.floating());
      default:
        runtime_.fail(fmt::format("keys must be str, int, float, bool or None, not {}", type_name(key)));
    }
  }

  Runtime& runtime_;
  const JsonStyle& style_;
  std::size_t depth_ = 0;
};

}  // namespace

std::string json(Runtime& runtime, const Value& value, const JsonStyle& style) {
  JsonWriter writer(runtime, style);
  writer.write(value);
  return std::move(writer.out);
}

}  // namespace hearth::text::jinja
