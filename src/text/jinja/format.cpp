#include "text/jinja/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "text/jinja/operators.h"
#include "text/jinja/show.h"
#include "text/jinja/unicode.h"

namespace hearth::text::jinja {

namespace {

// What both notations say of one field.
struct Spec {
  std::string fill = " ";
  char align = 0;  // < > ^ =
  char sign = 0;   // + or space
  bool alternate = false, zero = false;
  char group = 0;  // , or _
  std::size_t width = 0;
  std::optional<int> precision;
  char type = 0;
};

constexpr std::size_t widest = 1 << 20;
constexpr int most_precise = 500;

std::size_t read_number(Runtime& runtime, std::string_view text, std::size_t& at, std::size_t most) {
  std::size_t number = 0;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
    number = number * 10 + static_cast<std::size_t>(text[at++] - '0');
    if (number > most) runtime.fail(fmt::format("a width or precision of more than {}", most));
  }
  return number;
}

std::string padded(const Spec& spec, const std::string& sign, const std::string& body, char natural) {
  const std::size_t size = code_points(sign) + code_points(body);
  if (size >= spec.width) return sign + body;
  const std::size_t pad = spec.width - size;
  const auto fill = [&](std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out.append(spec.fill);
    return out;
  };
  switch (spec.align ? spec.align : natural) {
    case '<':
      return sign + body + fill(pad);
    case '^':
      return fill(pad / 2) + sign + body + fill(pad - pad / 2);
    case '=':
      return sign + fill(pad) + body;
    default:
      return fill(pad) + sign + body;
  }
}

// ascii(): the rest of Unicode as escapes.
std::string in_ascii(std::string_view shown) {
  std::string out;
  for (std::size_t at = 0; at < shown.size();) {
    const auto code = static_cast<std::uint32_t>(decode(shown, at));
    if (code < 0x80)
      out.push_back(static_cast<char>(code));
    else
      out.append(code < 0x100     ? fmt::format("\\x{:02x}", code)
                 : code < 0x10000 ? fmt::format("\\u{:04x}", code)
                                  : fmt::format("\\U{:08x}", code));
  }
  return out;
}

std::size_t leading_digits(std::string_view body, std::size_t every) {
  const auto is_digit = [every](unsigned char c) { return every == 3 ? std::isdigit(c) : std::isxdigit(c); };
  std::size_t end = 0;
  while (end < body.size() && is_digit(static_cast<unsigned char>(body[end]))) ++end;
  return end;
}

// A mark between groups of so many digits, before which there are zeros until it is `width` long or more.
std::string grouped(std::string body, char mark, std::size_t every, std::size_t width) {
  const std::size_t digits = leading_digits(body, every), rest = body.size() - digits;
  const auto length = [&](std::size_t count) { return count + (count > 0 ? (count - 1) / every : 0) + rest; };
  std::size_t count = std::max(digits, width > rest ? (width - rest) * every / (every + 1) : 0);
  while (length(count) < width) ++count;
  body.insert(0, count - digits, '0');
  std::string out;
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0 && (count - i) % every == 0) out.push_back(mark);
    out.push_back(body[i]);
  }
  return out + body.substr(count);
}

std::string show_number(Runtime& runtime, const Spec& spec, const Value& value) {
  const char type = spec.type;
  std::string sign, body;
  std::size_t every = 3;  // digits of a group
  if (value.is_integral() && (type == 0 || std::string_view("dnbxXo").find(type) != std::string_view::npos)) {
    const bool minus = value.integer() < 0;
    const bool hex = type == 'x' || type == 'X', decimal = !hex && type != 'b' && type != 'o';
    body = type == 'b'   ? fmt::format("{:b}", value.integer())
           : type == 'o' ? fmt::format("{:o}", value.integer())
           : type == 'x' ? fmt::format("{:x}", value.integer())
           : type == 'X' ? fmt::format("{:X}", value.integer())
                         : fmt::format("{}", value.integer());
    if (minus) body.erase(0, 1);
    if (spec.precision && body.size() < static_cast<std::size_t>(*spec.precision))
      body.insert(0, static_cast<std::size_t>(*spec.precision) - body.size(), '0');
    every = decimal ? 3 : 4;
    sign = minus ? "-" : "";
    if (sign.empty() && spec.sign) sign = spec.sign;
    if (spec.alternate && !decimal) sign += std::string{'0', type};
  } else {
    const double number = value.floating();
    const bool minus = std::signbit(number) && !std::isnan(number);
    const double size = std::fabs(number);
    if (!std::isfinite(size)) {
      body = std::isnan(number) ? "nan" : "inf";
      if (type == 'E' || type == 'F' || type == 'G') body = upper(body);
    } else if (type == 0 && !spec.precision) {
      body = show_float(size);
    } else {
      const int precision = spec.precision.value_or(6);
      const char shape = type == '%' ? 'f' : type == 0 || type == 'n' ? 'g' : type;
      const double shown = type == '%' ? size * 100 : size;
      if (std::string_view("fFeEgG").find(shape) == std::string_view::npos)
        runtime.fail(fmt::format("unknown format code '{}' for a number", type));
      const std::string how = fmt::format("{{:{}.{}{}}}", spec.alternate ? "#" : "",
                                          (shape | 0x20) == 'g' ? std::max(precision, 1) : precision, shape);
      body = fmt::format(fmt::runtime(how), shown);
      if (type == 0 && body.find_first_of(".e") == std::string::npos) body += ".0";
      if (type == '%') body += '%';
    }
    sign = minus ? "-" : "";
    if (sign.empty() && spec.sign) sign = spec.sign;
  }
  Spec placed = spec;
  if (spec.zero && !spec.align) {
    placed.align = '=';
    placed.fill = "0";
  }
  if (spec.group) {
    const bool zeros = placed.align == '=' && placed.fill == "0";  // are grouped too
    const std::size_t width = zeros && placed.width > sign.size() ? placed.width - sign.size() : 0;
    body = grouped(std::move(body), spec.group, every, width);
  }
  return padded(placed, sign, body, '>');
}

std::string show_text(const Spec& spec, std::string text) {
  if (spec.precision) text.resize(byte_offset(text, static_cast<std::size_t>(*spec.precision)));
  return padded(spec, "", text, '<');
}

std::string character(Runtime& runtime, Int code) {
  if (code < 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) runtime.fail("the number is no character");
  std::string out;
  append(out, static_cast<char32_t>(code));
  return out;
}

class PercentFormat {
 public:
  PercentFormat(Runtime& runtime, const Value& format, const Value& arguments)
      : runtime_(runtime), text_(format.text()), markup_(format.as<Text>().markup), arguments_(arguments) {}

  std::string run() {
    std::string out;
    while (at_ < text_.size()) {
      const std::size_t percent = std::min(text_.find('%', at_), text_.size());
      runtime_.append(out, text_.substr(at_, percent - at_));
      at_ = percent;
      if (at_ == text_.size()) break;
      ++at_;
      runtime_.step();
      runtime_.append(out, field());
    }
    const bool keyed = arguments_.is(Kind::dict) || arguments_.is(Kind::list) || arguments_.is(Kind::range) ||
                       arguments_.is_undefined();
    const bool all = arguments_.is(Kind::tuple) ? next_ >= arguments_.as<Sequence>().items.size() : next_ > 0 || keyed;
    if (!all) runtime_.fail("not all arguments converted during string formatting");
    return out;
  }

 private:
  char peek() const {
    if (at_ >= text_.size()) runtime_.fail("incomplete format");
    return text_[at_];
  }

  const Value& argument() {
    if (arguments_.is(Kind::tuple)) {
      const Values& items = arguments_.as<Sequence>().items;
      if (next_ >= items.size()) runtime_.fail("not enough arguments for format string");
      return items[next_++];
    }
    if (next_++ > 0) runtime_.fail("not enough arguments for format string");
    return arguments_;
  }

  std::string field() {
    std::optional<std::string> key;
    if (peek() == '(') {
      std::size_t depth = 1, end = at_ + 1;
      for (; end < text_.size(); ++end) {
        if (text_[end] == '(') ++depth;
        if (text_[end] == ')' && --depth == 0) break;
      }
      if (end >= text_.size()) runtime_.fail("incomplete format key");
      key = std::string(text_.substr(at_ + 1, end - at_ - 1));
      at_ = end + 1;
    }
    Spec spec;
    for (bool flags = true; flags;) {
      switch (peek()) {
        case '-':
          spec.align = '<';
          break;
        case '+':
          spec.sign = '+';
          break;
        case ' ':
          if (!spec.sign) spec.sign = ' ';
          break;
        case '0':
          spec.zero = true;
          break;
        case '#':
          spec.alternate = true;
          break;
        default:
          flags = false;
      }
      if (flags) ++at_;
    }
    spec.width = number(spec, widest);
    if (peek() == '.') {
      ++at_;
      Spec ignored;
      spec.precision = static_cast<int>(number(ignored, most_precise));
    }
    while (peek() == 'l' || peek() == 'h' || peek() == 'L') ++at_;
    const char type = peek();
    ++at_;
    if (type == '%') return "%";
    if (!key) return show(spec, type, argument());
    if (!arguments_.is(Kind::dict)) runtime_.fail("format requires a mapping");
    const Value* value = arguments_.as<Dict>().find(*key);
    if (!value) runtime_.fail(fmt::format("no value for the format key {}", quote(*key)));
    return show(spec, type, *value);
  }

  std::size_t number(Spec& spec, std::size_t most) {
    if (peek() != '*') return read_number(runtime_, text_, at_, most);
    ++at_;
    const Int value = to_index(runtime_, argument());
    if (value < 0) spec.align = '<';
    const Int size = value < 0 ? -value : value;
    if (size > static_cast<Int>(most)) runtime_.fail(fmt::format("a width or precision of more than {}", most));
    return static_cast<std::size_t>(size);
  }

  std::string show(Spec spec, char type, const Value& value) {
    spec.type = type;
    switch (type) {
      case 's':
      case 'r':
      case 'a': {
        std::string shown = type == 's' ? str(runtime_, value) : repr(runtime_, value);
        if (type == 'a') shown = in_ascii(shown);
        if (markup_ && !(value.is_text() && value.as<Text>().markup)) shown = escaped(runtime_, shown);
        spec.zero = false;
        if (!spec.align) spec.align = '>';
        return show_text(spec, std::move(shown));
      }
      case 'c':
        if (!spec.align) spec.align = '>';
        if (value.is_text() && value.as<Text>().length == 1) return show_text(spec, value.text());
        if (value.is_integral()) return show_text(spec, character(runtime_, value.integer()));
        runtime_.fail("%c requires int or char");
      case 'd':
      case 'i':
      case 'u':
      case 'x':
      case 'X':
      case 'o': {
        if (value.is_undefined()) runtime_.fail(value.text());
        const bool decimal = type == 'd' || type == 'i' || type == 'u';
        if (!value.is_number() || (!decimal && value.is(Kind::floating)))
          runtime_.fail(fmt::format("%{} format: a number is required, not {}", type, type_name(value)));
        spec.type = decimal ? 'd' : type;
        if (!value.is(Kind::floating)) return show_number(runtime_, spec, value);
        if (!(std::fabs(value.floating()) < 1e38)) runtime_.fail("a number is too large");
        return show_number(runtime_, spec, Value::integer(static_cast<Int>(value.floating())));
      }
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G':
        if (value.is_undefined()) runtime_.fail(value.text());
        if (!value.is_number()) runtime_.fail(fmt::format("must be real number, not {}", type_name(value)));
        return show_number(runtime_, spec, Value::floating(value.floating()));
      default:
        runtime_.fail(fmt::format("unsupported format character '{}'", type));
    }
  }

  Runtime& runtime_;
  std::string_view text_;
  bool markup_;
  const Value& arguments_;
  std::size_t at_ = 0, next_ = 0;
};

class BraceFormat {
 public:
  BraceFormat(Runtime& runtime, const Arguments& arguments) : runtime_(runtime), arguments_(arguments) {}

  std::string run(std::string_view text, int depth = 0) {
    if (depth > 1) runtime_.fail("max string recursion exceeded");
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
      const char c = text[at];
      if ((c == '{' || c == '}') && at + 1 < text.size() && text[at + 1] == c) {
        out.push_back(c);
        at += 2;
      } else if (c == '}') {
        runtime_.fail("single '}' encountered in format string");
      } else if (c == '{') {
        const std::size_t begin = ++at;
        for (int open = 1; open > 0; ++at) {
          if (at >= text.size()) runtime_.fail("expected '}' before end of string");
          if (text[at] == '{') ++open;
          if (text[at] == '}') --open;
        }
        runtime_.step();
        runtime_.append(out, field(text.substr(begin, at - begin - 1), depth));
      } else {
        const std::size_t end = std::min(text.find_first_of("{}", at), text.size());
        runtime_.append(out, text.substr(at, end - at));
        at = end;
      }
    }
    return out;
  }

 private:
  std::string field(std::string_view field, int depth) {
    std::size_t end = 0;
    for (bool brackets = false; end < field.size(); ++end) {
      if (field[end] == '[') brackets = true;
      if (field[end] == ']') brackets = false;
      if (!brackets && (field[end] == ':' || field[end] == '!')) break;
    }
    Value value = look_up(field.substr(0, end));
    if (end < field.size() && field[end] == '!') {
      const char how = end + 1 < field.size() ? field[end + 1] : 0;
      if (how != 's' && how != 'r' && how != 'a') runtime_.fail("unknown conversion in format string");
      std::string text = how == 's' ? str(runtime_, value) : repr(runtime_, value);
      value = runtime_.text(how == 'a' ? in_ascii(text) : std::move(text));
      end += 2;
      if (end < field.size() && field[end] != ':') runtime_.fail("expected ':' after conversion specifier");
    }
    const std::string spec = end < field.size() ? run(field.substr(end + 1), depth + 1) : "";
    return shown(value, spec);
  }

  Value look_up(std::string_view name) {
    std::size_t at = std::min(name.find_first_of(".["), name.size());
    const std::string_view first = name.substr(0, at);
    Value value;
    if (name.empty() || (!first.empty() && first.find_first_not_of("0123456789") == std::string_view::npos)) {
      if (first.empty() == (automatic_ == Numbering::manual) && automatic_ != Numbering::unknown)
        runtime_.fail("cannot mix automatic and manual field numbering");
      automatic_ = first.empty() ? Numbering::automatic : Numbering::manual;
      std::size_t digits = 0;
      const std::size_t index = first.empty() ? next_++ : read_number(runtime_, first, digits, widest);
      if (index >= arguments_.positional.size())
        runtime_.fail(fmt::format("replacement index {} out of range for positional arguments", index));
      value = arguments_.positional[index];
    } else {
      const auto found = std::find_if(arguments_.named.begin(), arguments_.named.end(),
                                      [&](const auto& argument) { return argument.first == first; });
      if (found == arguments_.named.end()) runtime_.fail(fmt::format("no argument named {}", quote(first)));
      value = found->second;
    }
    while (at < name.size()) {
      if (name[at] == '.') {
        const std::size_t end = std::min(name.find_first_of(".[", at + 1), name.size());
        if (end == at + 1) runtime_.fail("empty attribute in format string");
        value = attribute_of(runtime_, value, name.substr(at + 1, end - at - 1));
        at = end;
      } else {
        const std::size_t end = name.find(']', at);
        if (name[at] != '[' || end == std::string_view::npos) runtime_.fail("malformed field in format string");
        const std::string_view key = name.substr(at + 1, end - at - 1);
        std::size_t digits = 0;
        const bool number = !key.empty() && key.find_first_not_of("0123456789") == std::string_view::npos;
        value = item_of(runtime_, value,
                        number ? Value::integer(static_cast<Int>(read_number(runtime_, key, digits, widest)))
                               : runtime_.text(std::string(key)));
        at = end + 1;
      }
    }
    return value;
  }

  // [[fill]align][sign][#][0][width][grouping][.precision][type]
  std::string shown(const Value& value, std::string_view text) {
    if (text.empty()) return str(runtime_, value);
    Spec spec;
    std::size_t at = 0, fill_end = 0;
    decode(text, fill_end);
    const auto is_align = [&](std::size_t i) {
      return i < text.size() && std::string_view("<>^=").find(text[i]) != std::string_view::npos;
    };
    const bool filled = is_align(fill_end);
    if (filled) {
      spec.fill = std::string(text.substr(0, fill_end));
      spec.align = text[fill_end];
      at = fill_end + 1;
    } else if (is_align(0)) {
      spec.align = text[0];
      at = 1;
    }
    const auto take = [&](std::string_view any) -> char {
      return at < text.size() && any.find(text[at]) != std::string_view::npos ? text[at++] : char(0);
    };
    const char sign = take("+- ");
    if (sign != '-') spec.sign = sign;
    spec.alternate = take("#") != 0;
    spec.zero = take("0") != 0;
    if (spec.zero && !filled) spec.fill = "0";
    spec.width = read_number(runtime_, text, at, widest);
    spec.group = take(",_");
    if (take(".")) {
      if (at == text.size() || text[at] < '0' || text[at] > '9') runtime_.fail("format specifier missing precision");
      spec.precision = static_cast<int>(read_number(runtime_, text, at, most_precise));
    }
    if (at < text.size()) spec.type = text[at++];
    if (at < text.size()) runtime_.fail("invalid format specifier");
    if (spec.group && spec.type != 0) {
      const std::string_view with = spec.group == ',' ? "deEfFgG%" : "deEfFgG%bxXo";
      if (with.find(spec.type) == std::string_view::npos)
        runtime_.fail(fmt::format("cannot specify '{}' with '{}'", spec.group, spec.type));
    }
    if (value.is_number()) {
      const bool whole = spec.type != 0 && std::string_view("cdbxXo").find(spec.type) != std::string_view::npos;
      if (whole && value.is(Kind::floating))
        runtime_.fail(fmt::format("unknown format code '{}' for object of type 'float'", spec.type));
      if (spec.precision && value.is_integral() && (spec.type == 0 || whole))
        runtime_.fail("precision not allowed in integer format specifier");
      if (spec.type == 'c') {
        if (sign) runtime_.fail("sign not allowed with integer format specifier 'c'");
        return padded(spec, "", character(runtime_, value.integer()), '>');
      }
      return show_number(runtime_, spec, value);
    }
    if (!value.is_text())
      runtime_.fail(fmt::format("unsupported format string passed to {}.__format__", type_name(value)));
    if ((spec.type != 0 && spec.type != 's') || sign || spec.group || spec.align == '=')
      runtime_.fail(fmt::format("invalid format specifier for object of type '{}'", type_name(value)));
    return show_text(spec, str(runtime_, value));
  }

  enum class Numbering { unknown, automatic, manual };
  Runtime& runtime_;
  const Arguments& arguments_;
  std::size_t next_ = 0;
  Numbering automatic_ = Numbering::unknown;
};

}  // namespace

Value percent_format(Runtime& runtime, const Value& format, const Value& arguments) {
  return runtime.text(PercentFormat(runtime, format, arguments).run(), format.as<Text>().markup);
}

Value brace_format(Runtime& runtime, const Value& format, const Arguments& arguments) {
  return runtime.text(BraceFormat(runtime, arguments).run(format.text()), format.as<Text>().markup);
}

}  // namespace hearth::text::jinja
