// Methods of str.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "text/jinja/arguments.h"
#include "text/jinja/format.h"
#include "text/jinja/methods.h"
#include "text/jinja/operators.h"
#include "text/jinja/show.h"
#include "text/jinja/unicode.h"

namespace hearth::text::jinja {

Values split_lines(Runtime& runtime, std::string_view text, bool keep_ends, bool markup) {
  Values lines;
  const auto breaks = [](char32_t c) {
    return (c >= '\n' && c <= '\r') || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
  };
  for (std::size_t at = 0, begin = 0; at < text.size();) {
    const std::size_t before = at;
    const char32_t c = decode(text, at);
    if (!breaks(c) && at < text.size()) continue;
    const std::size_t end = breaks(c) ? before : at;
    if (c == '\r' && at < text.size() && text[at] == '\n') ++at;
    runtime.step();
    lines.push_back(runtime.text(std::string(text.substr(begin, (keep_ends ? at : end) - begin)), markup));
    begin = at;
  }
  return lines;
}

namespace {

using Self = const Value&;
using Given = const Arguments&;

Value like(Runtime& runtime, Self self, std::string_view text) {
  return runtime.text(std::string(text), self.as<Text>().markup);
}

template <std::string (*change)(std::string_view)>
Value changed(Runtime& runtime, Self self, Given given) {
  const Bound none(runtime, "str method", given, {});
  runtime.step(self.text().size() / 64);
  return like(runtime, self, change(self.text()));
}

template <bool (*test)(char32_t), bool when_empty = false>
Value all_are(Runtime& runtime, Self self, Given given) {
  const Bound none(runtime, "str method", given, {});
  runtime.step(self.text().size() / 64);
  const std::string& text = self.text();
  if (text.empty()) return Value::boolean(when_empty);
  for (std::size_t at = 0; at < text.size();)
    if (!test(decode(text, at))) return Value::boolean(false);
  return Value::boolean(true);
}

bool is_alnum(char32_t c) {
  return is_alpha(c) || is_numeric(c) || is_digit(c);
}

bool is_ascii(char32_t c) {
  return c < 0x80;
}

// islower, isupper: some letter has case, and none has the other.
template <bool (*wanted)(char32_t), bool (*other)(char32_t)>
Value cased_all(Runtime& runtime, Self self, Given given) {
  const Bound none(runtime, "str method", given, {});
  runtime.step(self.text().size() / 64);
  const std::string& text = self.text();
  bool some = false;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = decode(text, at);
    if (other(c) || is_title(c)) return Value::boolean(false);
    some |= wanted(c);
  }
  return Value::boolean(some);
}

Value is_title_case(Runtime& runtime, Self self, Given given) {
  const Bound none(runtime, "istitle", given, {});
  const std::string& text = self.text();
  runtime.step(text.size() / 64);
  bool some = false, inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = decode(text, at);
    const bool begins = is_upper(c) || is_title(c), continues = is_lower(c);
    if ((begins && inside) || (continues && !inside)) return Value::boolean(false);
    inside = begins || continues;
    some |= inside;
  }
  return Value::boolean(some);
}

template <bool left, bool right>
Value stripped(Runtime& runtime, Self self, Given given) {
  const Bound bound(runtime, "strip", given, {""});
  if (!bound.get(0) || bound[0].is_none()) return like(runtime, self, strip(self.text(), left, right));
  const std::string& chars = bound.text(0);
  runtime.step(self.text().size() / 1024 * (chars.size() / 16 + 1));
  return like(runtime, self, strip(self.text(), left, right, chars));
}

// The part of the text that the method's start and end leave; nothing where start lies beyond the text.
struct Window {
  std::string_view text;
  std::size_t skipped_points = 0;
  bool inside = true;
};

Window window(Self self, const Bound& bound, std::size_t first) {
  const auto& text = self.as<Text>();
  const auto size = static_cast<Int>(text.length);
  const auto at = [&](std::size_t i, Int absent) {
    const Int given = bound.get(i) && !bound[i].is_none() ? bound.integer(i, absent) : absent;
    return given < 0 ? std::max<Int>(given + size, 0) : given;
  };
  const Int start = at(first, 0), end = std::min(at(first + 1, size), size);
  if (start > size || start > end) return {{}, 0, false};
  const auto byte = [&](Int index) {
    return text.ascii() ? static_cast<std::size_t>(index) : byte_offset(text.value, static_cast<std::size_t>(index));
  };
  const std::size_t from = byte(start);
  return {std::string_view(text.value).substr(from, byte(end) - from), static_cast<std::size_t>(start), true};
}

template <bool first>
Value found(Runtime& runtime, Self self, Given given, bool must) {
  const Bound bound(runtime, "find", given, {"", "", ""}, 1);
  const std::string& what = bound.text(0);
  const Window seen = window(self, bound, 1);
  runtime.work(self.text().size());
  const std::size_t at = !seen.inside ? std::string::npos : first ? find(seen.text, what) : find_last(seen.text, what);
  if (at == std::string::npos) {
    if (must) runtime.fail("substring not found");
    return Value::integer(-1);
  }
  return Value::integer(static_cast<Int>(seen.skipped_points + code_points(seen.text.substr(0, at))));
}

template <bool end>
Value has_affix(Runtime& runtime, Self self, Given given) {
  const Bound bound(runtime, end ? "endswith" : "startswith", given, {"", "", ""}, 1);
  const Window seen = window(self, bound, 1);
  const auto matches = [&](const Value& affix) {
    if (!affix.is_text()) {
      if (affix.is_undefined()) runtime.fail(affix.text());
      runtime.fail(fmt::format("{} first arg must be str or a tuple of str, not {}", end ? "endswith" : "startswith",
                               type_name(affix)));
    }
    const std::string& text = affix.text();
    if (!seen.inside || text.size() > seen.text.size()) return false;
    runtime.work(text.size());
    return (end ? seen.text.substr(seen.text.size() - text.size()) : seen.text.substr(0, text.size())) == text;
  };
  if (!bound[0].is(Kind::tuple)) return Value::boolean(matches(bound[0]));
  for (const Value& affix : bound[0].as<Sequence>().items) {
    runtime.step();
    if (matches(affix)) return Value::boolean(true);
  }
  return Value::boolean(false);
}

Value count(Runtime& runtime, Self self, Given given) {
  const Bound bound(runtime, "count", given, {"", "", ""}, 1);
  const std::string& what = bound.text(0);
  const Window seen = window(self, bound, 1);
  runtime.work(self.text().size());
  if (!seen.inside) return Value::integer(0);
  if (what.empty()) return Value::integer(static_cast<Int>(code_points(seen.text)) + 1);
  Int times = 0;
  for (std::size_t at = find(seen.text, what); at != std::string::npos; at = find(seen.text, what, at + what.size())) {
    runtime.step();
    ++times;
  }
  return Value::integer(times);
}

Value split_at(Runtime& runtime, Self self, const std::string& separator, Int most, bool from_right) {
  if (separator.empty()) runtime.fail("empty separator");
  const std::string_view text = self.text();
  runtime.work(text.size());
  Values parts;
  const auto take = [&](std::size_t begin, std::size_t end) {
    runtime.step();
    parts.push_back(like(runtime, self, text.substr(begin, end - begin)));
  };
  if (!from_right) {
    std::size_t begin = 0;
    for (std::size_t at = find(text, separator); at != std::string::npos && most != 0; --most) {
      take(begin, at);
      begin = at + separator.size();
      at = find(text, separator, begin);
    }
    take(begin, text.size());
  } else {
    std::size_t end = text.size();
    for (std::size_t at = find_last(text, separator); at != std::string::npos && most != 0; --most) {
      runtime.step(separator.size() > 32 ? text.size() / 64 : 0);
      take(at + separator.size(), end);
      end = at;
      at = find_last(text.substr(0, end), separator);
    }
    take(0, end);
    std::reverse(parts.begin(), parts.end());
  }
  return runtime.list(std::move(parts));
}

Value split_space(Runtime& runtime, Self self, Int most, bool from_right) {
  Values parts;
  const std::string_view all = self.text();
  runtime.step(all.size() / 64);
  std::string_view rest = strip(all, !from_right, from_right);
  while (!rest.empty()) {
    runtime.step();
    if (most-- == 0) {
      parts.push_back(like(runtime, self, rest));
      break;
    }
    std::size_t cut = from_right ? rest.size() : 0;
    while (from_right ? cut > 0 : cut < rest.size()) {
      std::size_t next = cut;
      if (from_right) {
        do --next;
        while ((static_cast<unsigned char>(rest[next]) & 0xc0) == 0x80);
        std::size_t at = next;
        if (is_space(decode(rest, at))) break;
      } else if (is_space(decode(rest, next))) {
        break;
      }
      cut = next;
    }
    parts.push_back(like(runtime, self, from_right ? rest.substr(cut) : rest.substr(0, cut)));
    rest = from_right ? strip(rest.substr(0, cut), false, true) : strip(rest.substr(cut), true, false);
  }
  if (from_right) std::reverse(parts.begin(), parts.end());
  return runtime.list(std::move(parts));
}

template <bool from_right>
Value split(Runtime& runtime, Self self, Given given) {
  const Bound bound(runtime, "split", given, {"sep", "maxsplit"});
  const Int most = bound.integer(1, -1);
  if (!bound.get(0) || bound[0].is_none()) return split_space(runtime, self, most, from_right);
  return split_at(runtime, self, bound.text(0), most, from_right);
}

template <bool from_right>
Value partition(Runtime& runtime, Self self, Given given) {
  const Bound bound(runtime, "partition", given, {""}, 1);
  const std::string& separator = bound.text(0);
  if (separator.empty()) runtime.fail("empty separator");
  const std::string_view text = self.text();
  runtime.work(text.size());
  const std::size_t at = from_right ? find_last(text, separator) : find(text, separator);
  const auto part = [&](std::string_view piece) { return like(runtime, self, piece); };
  if (at == std::string::npos)
    return from_right ? runtime.tuple({part(""), part(""), self}) : runtime.tuple({self, part(""), part("")});
  return runtime.tuple({part(text.substr(0, at)), part(separator), part(text.substr(at + separator.size()))});
}

Value replace(Runtime& runtime, Self self, Given given) {
  const Bound bound(runtime, "replace", given, {"", "", ""}, 2);
  return runtime.text(replaced(runtime, self.text(), bound.text(0), bound.text(1), bound.integer(2, -1)),
                      self.as<Text>().markup);
}

Value join(Runtime& runtime, Self self, Given given) {
  const Bound bound(runtime, "join", given, {""}, 1);
  const bool markup = self.as<Text>().markup;
  std::string out;
  Int i = 0;
  Iterator iterator(runtime, bound[0]);
  while (const auto value = iterator.next(runtime)) {
    if (!value->is_text() && !markup)
      runtime.fail(fmt::format("sequence item {}: expected str instance, {} found", i, type_name(*value)));
    if (i++ > 0) runtime.append(out, self.text());
    const std::string piece = str(runtime, *value);
    runtime.append(out, markup && !(value->is_text() && value->as<Text>().markup) ? escaped(runtime, piece) : piece);
  }
  return runtime.text(std::move(out), markup);
}

enum class Side { left, right, both };
template <Side side>
Value pad(Runtime& runtime, Self self, Given given) {
  const Bound bound(runtime, "just", given, {"", ""}, 1);
  const std::string fill = bound.get(1) ? bound.text(1) : " ";
  if (code_points(fill) != 1) runtime.fail("the fill character must be exactly one character long");
  const Int more = bound.integer(0, 0) - static_cast<Int>(self.as<Text>().length);
  if (more <= 0) return self;
  runtime.may_make(more);
  runtime.may_make(more * static_cast<Int>(fill.size()));
  const Int odd = more & bound.integer(0, 0) & 1;  // where Python puts the odd one
  const Int before = side == Side::left ? more : side == Side::right ? 0 : more / 2 + odd;
  std::string out;
  for (Int i = 0; i < before; ++i) out.append(fill);
  runtime.append(out, self.text());
  for (Int i = before; i < more; ++i) out.append(fill);
  return like(runtime, self, out);
}

Value zfill(Runtime& runtime, Self self, Given given) {
  const Bound bound(runtime, "zfill", given, {""}, 1);
  const Int more = bound.integer(0, 0) - static_cast<Int>(self.as<Text>().length);
  if (more <= 0) return self;
  runtime.may_make(more);
  const std::string& text = self.text();
  const std::size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+');
  return like(runtime, self,
              text.substr(0, sign) + std::string(static_cast<std::size_t>(more), '0') + text.substr(sign));
}

template <bool end>
Value without_affix(Runtime& runtime, Self self, Given given) {
  const Bound bound(runtime, end ? "removesuffix" : "removeprefix", given, {""}, 1);
  const std::string &text = self.text(), &affix = bound.text(0);
  if (affix.size() > text.size() || affix.empty()) return self;
  if (text.compare(end ? text.size() - affix.size() : 0, affix.size(), affix) != 0) return self;
  return like(runtime, self, end ? text.substr(0, text.size() - affix.size()) : text.substr(affix.size()));
}

Value expand_tabs(Runtime& runtime, Self self, Given given) {
  const Bound bound(runtime, "expandtabs", given, {"tabsize"});
  const Int size = bound.integer(0, 8);
  std::string out;
  Int column = 0;
  for (const char c : self.text()) {
    if (c == '\t') {
      const Int spaces = size > 0 ? size - column % size : 0;
      runtime.may_make(spaces);
      runtime.append(out, std::string(static_cast<std::size_t>(spaces), ' '));
      column += spaces;
    } else {
      runtime.append(out, std::string_view(&c, 1));
      if (c == '\n' || c == '\r')
        column = 0;
      else if ((static_cast<unsigned char>(c) & 0xc0) != 0x80)
        ++column;
    }
  }
  return like(runtime, self, out);
}

Value lines(Runtime& runtime, Self self, Given given) {
  const Bound bound(runtime, "splitlines", given, {"keepends"});
  return runtime.list(split_lines(runtime, self.text(), bound.flag(0), self.as<Text>().markup));
}

Value format(Runtime& runtime, Self self, Given given) {
  return brace_format(runtime, self, given);
}

Value format_map(Runtime& runtime, Self self, Given given) {
  const Bound bound(runtime, "format_map", given, {""}, 1);
  if (!bound[0].is(Kind::dict)) runtime.fail("format_map() takes a dict");
  Arguments named;
  for (const auto& [key, value] : bound[0].as<Dict>().entries)
    if (key.is_text()) named.named.emplace_back(key.text(), value);
  return brace_format(runtime, self, named);
}

Value is_identifier(Runtime& runtime, Self self, Given given) {
  const Bound none(runtime, "isidentifier", given, {});
  const std::string& text = self.text();
  bool good = !text.empty();
  for (std::size_t at = 0; good && at < text.size();) {
    const bool start = at == 0;
    const char32_t c = decode(text, at);
    good = c == '_' || is_alpha(c) || (!start && is_decimal(c));
  }
  return Value::boolean(good);
}

struct Entry {
  std::string_view name;
  Value (*body)(Runtime&, Self, Given);
};

template <bool first, bool must>
Value find_method(Runtime& runtime, Self self, Given given) {
  return found<first>(runtime, self, given, must);
}

constexpr Entry methods[] = {
    {"strip", stripped<true, true>},
    {"lstrip", stripped<true, false>},
    {"rstrip", stripped<false, true>},
    {"split", split<false>},
    {"rsplit", split<true>},
    {"startswith", has_affix<false>},
    {"endswith", has_affix<true>},
    {"replace", replace},
    {"join", join},
    {"upper", changed<upper>},
    {"lower", changed<lower>},
    {"casefold", changed<casefold>},
    {"title", changed<title>},
    {"capitalize", changed<capitalize>},
    {"swapcase", changed<swapcase>},
    {"find", find_method<true, false>},
    {"rfind", find_method<false, false>},
    {"index", find_method<true, true>},
    {"rindex", find_method<false, true>},
    {"count", count},
    {"splitlines", lines},
    {"partition", partition<false>},
    {"rpartition", partition<true>},
    {"removeprefix", without_affix<false>},
    {"removesuffix", without_affix<true>},
    {"ljust", pad<Side::right>},
    {"rjust", pad<Side::left>},
    {"center", pad<Side::both>},
    {"zfill", zfill},
    {"expandtabs", expand_tabs},
    {"format", format},
    {"format_map", format_map},
    {"isalpha", all_are<is_alpha>},
    {"isdigit", all_are<is_digit>},
    {"isdecimal", all_are<is_decimal>},
    {"isnumeric", all_are<is_numeric>},
    {"isalnum", all_are<is_alnum>},
    {"isspace", all_are<is_space>},
    {"isascii", all_are<is_ascii, true>},
    {"isprintable", all_are<is_printable, true>},
    {"islower", cased_all<is_lower, is_upper>},
    {"isupper", cased_all<is_upper, is_lower>},
    {"istitle", is_title_case},
    {"isidentifier", is_identifier},
};

}  // namespace

std::string replaced(Runtime& runtime, std::string_view text, std::string_view old, std::string_view fresh, Int most) {
  runtime.work(text.size());
  if (most == 0) return std::string(text);
  std::string out;
  std::size_t begin = 0;
  if (old.empty()) {  // before every character, and at the end
    while (most-- != 0) {
      runtime.append(out, fresh);
      if (begin == text.size()) return out;
      std::size_t end = begin;
      decode(text, end);
      runtime.append(out, text.substr(begin, end - begin));
      begin = end;
    }
    runtime.append(out, text.substr(begin));
    return out;
  }
  for (std::size_t at = find(text, old); at != std::string::npos && most-- != 0; at = find(text, old, begin)) {
    runtime.append(out, text.substr(begin, at - begin));
    runtime.append(out, fresh);
    begin = at + old.size();
  }
  runtime.append(out, text.substr(begin));
  return out;
}

std::optional<Value> text_attribute(Runtime& runtime, const Value& self, std::string_view name) {
  for (const Entry& entry : methods)
    if (entry.name == name) return bound_method(runtime, self, name, entry.body);
  return std::nullopt;
}

}  // namespace hearth::text::jinja
