// Filters that take and make texts.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "text/jinja/filters.h"
#include "text/jinja/format.h"
#include "text/jinja/methods.h"
#include "text/jinja/show.h"
#include "text/jinja/unicode.h"

namespace hearth::text::jinja {

namespace {

using Given = const Arguments&;

bool is_markup(const Value& value) {
  return value.is_text() && value.as<Text>().markup;
}

Value like(Runtime& runtime, const Value& value, std::string text) {
  return runtime.text(std::move(text), is_markup(value));
}

template <std::string (*change)(std::string_view), bool stays_markup = true>
Value changed(Runtime& runtime, const Value& value, Given given) {
  const Bound none(runtime, "filter", given, {});
  const std::string text = str(runtime, value);
  runtime.step(text.size() / 64);
  return runtime.text(change(text), stays_markup && is_markup(value));
}

std::string title_words(std::string_view text) {  // words begin after white space and - ( { [ <
  std::string out, word;
  const auto flush = [&] {
    if (word.empty()) return;
    std::size_t at = 0;
    decode(word, at);
    out.append(upper(std::string_view(word).substr(0, at)));
    out.append(lower(std::string_view(word).substr(at)));
    word.clear();
  };
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = decode(text, at);
    if (is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<') {
      flush();
      append(out, c);
    } else {
      append(word, c);
    }
  }
  flush();
  return out;
}

Value string(Runtime& runtime, const Value& value, Given) {
  return value.is_text() ? value : runtime.text(str(runtime, value));
}

Value safe(Runtime& runtime, const Value& value, Given) {
  return runtime.text(str(runtime, value), true);
}

Value escape(Runtime& runtime, const Value& value, Given) {
  return is_markup(value) ? value : runtime.text(escaped(runtime, str(runtime, value)), true);
}

Value force_escape(Runtime& runtime, const Value& value, Given) {
  return runtime.text(escaped(runtime, str(runtime, value)), true);
}

Value trim(Runtime& runtime, const Value& value, Given given) {
  const Bound bound(runtime, "trim", given, {"chars"});
  const std::string text = str(runtime, value);
  if (!bound.get(0) || bound[0].is_none()) return like(runtime, value, std::string(strip(text, true, true)));
  const std::string& chars = bound.text(0);
  runtime.step(text.size() / 1024 * (chars.size() / 16 + 1));
  return like(runtime, value, std::string(strip(text, true, true, chars)));
}

Value replace(Runtime& runtime, const Value& value, Given given) {
  const Bound bound(runtime, "replace", given, {"old", "new", "count"}, 2);
  const Int most = bound.get(2) && !bound[2].is_none() ? bound.integer(2, -1) : -1;
  return runtime.text(replaced(runtime, str(runtime, value), str(runtime, bound[0]), str(runtime, bound[1]), most));
}

Value format(Runtime& runtime, const Value& value, Given given) {
  if (!given.positional.empty() && !given.named.empty())
    runtime.fail("format can't handle positional and keyword arguments at the same time");
  const Value text = string(runtime, value, given);
  if (given.named.empty()) return percent_format(runtime, text, runtime.tuple(given.positional));
  auto named = std::make_unique<Dict>();
  for (const auto& [name, item] : given.named) named->set(runtime, runtime.text(name), item);
  return percent_format(runtime, text, runtime.dict(std::move(named)));
}

const std::string& text_of(Runtime& runtime, const Value& value, std::string_view filter) {
  if (value.is_text()) return value.text();
  if (value.is_undefined()) runtime.fail(value.text());
  runtime.fail(fmt::format("{} takes a str, not {}", filter, type_name(value)));
}

Value indent(Runtime& runtime, const Value& value, Given given) {
  const Bound bound(runtime, "indent", given, {"width", "first", "blank"});
  std::string margin = "    ";
  if (bound.get(0) && bound[0].is_text()) {
    margin = bound.text(0);
  } else {
    const Int width = bound.integer(0, 4);
    runtime.may_make(width);
    margin.assign(static_cast<std::size_t>(std::max<Int>(width, 0)), ' ');
  }
  std::string out = bound.flag(1) ? margin : "";
  bool begins = true;
  for (const Value& line : split_lines(runtime, text_of(runtime, value, "indent") + "\n", false, false)) {
    if (!begins) runtime.append(out, "\n");
    if (!begins && (bound.flag(2) || !line.text().empty())) runtime.append(out, margin);
    runtime.append(out, line.text());
    begins = false;
  }
  return like(runtime, value, std::move(out));
}

Value center(Runtime& runtime, const Value& value, Given given) {
  const Bound bound(runtime, "center", given, {"width"});
  Arguments width;
  width.positional.push_back(bound.get(0) ? bound[0] : Value::integer(80));
  return call(runtime, attribute_of(runtime, string(runtime, value, given), "center"), width);
}

Value truncate(Runtime& runtime, const Value& value, Given given) {
  const Bound bound(runtime, "truncate", given, {"length", "killwords", "end", "leeway"});
  const std::string end = bound.get(2) ? bound.text(2) : "...";
  const Int length = bound.integer(0, 255), mark = static_cast<Int>(code_points(end));
  const Int leeway = bound.get(3) && !bound[3].is_none() ? bound.integer(3, 5) : 5;
  if (length < mark) runtime.fail("truncate: the length is less than that of the end");
  if (leeway < 0) runtime.fail("truncate: the leeway is negative");
  const auto size = static_cast<Int>(length_of(value).value_or(SIZE_MAX));
  if (size <= length || size - length <= leeway) return value;
  const std::string& text = text_of(runtime, value, "truncate");
  std::string kept = text.substr(0, byte_offset(text, static_cast<std::size_t>(length - mark)));
  if (!bound.flag(1)) {
    const std::size_t space = kept.rfind(' ');
    if (space != std::string::npos) kept.resize(space);
  }
  return runtime.text(kept + end);
}

Value word_count(Runtime& runtime, const Value& value, Given) {
  const std::string text = str(runtime, value);
  runtime.step(text.size() / 64);
  Int words = 0;
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const bool word = is_word(decode(text, at));
    words += word && !inside;
    inside = word;
  }
  return Value::integer(words);
}

std::string percent_encoded(Runtime& runtime, std::string_view text, bool query) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                       c == '_' || c == '.' || c == '~' || (c == '/' && !query);
    if (plain)
      out.push_back(c);
    else
      runtime.append(out, query && c == ' ' ? "+" : fmt::format("%{:02X}", static_cast<unsigned char>(c)));
  }
  return out;
}

Value url_encode(Runtime& runtime, const Value& value, Given) {
  if (value.is_text() || !iterable(value)) return runtime.text(percent_encoded(runtime, str(runtime, value), false));
  std::string out;
  const auto add = [&](const Value& key, const Value& item) {
    if (!out.empty()) out += '&';
    runtime.append(out, percent_encoded(runtime, str(runtime, key), true) + "=");
    runtime.append(out, percent_encoded(runtime, str(runtime, item), true));
  };
  if (value.is(Kind::dict)) {
    for (const auto& [key, item] : value.as<Dict>().entries) add(key, item);
  } else {
    for (const Value& pair : to_values(runtime, value)) {
      const Values both = to_values(runtime, pair);
      if (both.size() != 2) runtime.fail("urlencode takes pairs");
      add(both[0], both[1]);
    }
  }
  return runtime.text(std::move(out));
}

Value strip_tags(Runtime& runtime, const Value& value, Given) {
  const std::string text = str(runtime, value);
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const bool comment = text.compare(at, 4, "<!--") == 0;
    const std::size_t end = text[at] != '<' ? std::string::npos : find(text, comment ? "-->" : ">", at);
    if (end == std::string::npos)
      out.push_back(text[at++]);
    else
      at = end + (comment ? 3 : 1);
  }
  std::string words;
  bool gap = false;
  for (std::size_t at = 0; at < out.size();) {
    const char32_t c = decode(out, at);
    if (!is_space(c)) {
      if (gap && !words.empty()) words.push_back(' ');
      append(words, c);
    }
    gap = is_space(c);
  }
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> entities{
      {{"&lt;", "<"}, {"&gt;", ">"}, {"&#39;", "'"}, {"&#34;", "\""}, {"&quot;", "\""}, {"&amp;", "&"}}};
  for (const auto& [name, character] : entities) words = replaced(runtime, words, name, character, -1);
  return runtime.text(std::move(words));
}

Value xml_attributes(Runtime& runtime, const Value& value, Given given) {
  const Bound bound(runtime, "xmlattr", given, {"autospace"});
  if (!value.is(Kind::dict)) runtime.fail("xmlattr takes a dict");
  std::string out;
  for (const auto& [key, item] : value.as<Dict>().entries) {
    if (item.is_none() || item.is_undefined()) continue;
    const std::string name = str(runtime, key);
    if (name.find_first_of(" \t\n\r\f\v/>=") != std::string::npos) runtime.fail("invalid character in attribute name");
    if (!out.empty()) out += ' ';
    runtime.append(out, escaped(runtime, name) + "=\"");
    runtime.append(out, escaped(runtime, str(runtime, item)) + "\"");
  }
  const bool space = !bound.get(0) || bound.flag(0);
  return runtime.text(space && !out.empty() ? " " + out : out);
}

Value file_size(Runtime& runtime, const Value& value, Given given) {
  const Bound bound(runtime, "filesizeformat", given, {"binary"});
  Arguments otherwise;
  otherwise.positional.emplace_back();
  const Value number = find_filter("float")->apply(runtime, value, otherwise);
  if (number.is_none()) runtime.fail("filesizeformat takes a number");
  const double bytes = number.floating();
  const double base = bound.flag(0) ? 1024 : 1000;
  if (bytes == 1) return runtime.text("1 Byte");
  if (bytes < base) return runtime.text(fmt::format("{} Bytes", static_cast<long long>(bytes)));
  double unit = base;
  const char* prefix = "";
  for (const char* name : {"k", "M", "G", "T", "P", "E", "Z", "Y"}) {
    prefix = name;
    unit *= base;
    if (bytes < unit) break;
  }
  const std::string shown =
      bound.flag(0) ? fmt::format("{}iB", *prefix == 'k' ? "K" : prefix) : fmt::format("{}B", prefix);
  return runtime.text(fmt::format("{:.1f} {}", base * bytes / unit, shown));
}

Value to_json(Runtime& runtime, const Value& value, Given given) {
  const Bound bound(runtime, "tojson", given, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ensure_ascii = bound.flag(0);
  style.sort_keys = bound.flag(3);
  if (bound[1].is_text()) {
    style.indent = bound.text(1);
  } else if (bound.get(1) && !bound[1].is_none()) {
    const Int width = bound.integer(1, 0);
    runtime.may_make(width);
    style.indent = std::string(static_cast<std::size_t>(std::max<Int>(width, 0)), ' ');
  }
  if (style.indent) style.comma = ",";
  if (bound.get(2) && !bound[2].is_none()) {
    const Values both = to_values(runtime, bound[2]);
    if (both.size() != 2 || !both[0].is_text() || !both[1].is_text())
      runtime.fail("tojson: separators are a pair of texts");
    style.comma = both[0].text();
    style.colon = both[1].text();
  }
  return runtime.text(json(runtime, value, style));
}

constexpr Filter table[] = {
    {"upper", changed<upper>},
    {"lower", changed<lower>},
    {"capitalize", changed<capitalize>},
    {"title", changed<title_words, false>},
    {"string", string},
    {"safe", safe},
    {"escape", escape},
    {"e", escape},
    {"forceescape", force_escape},
    {"trim", trim},
    {"replace", replace},
    {"format", format},
    {"indent", indent},
    {"center", center},
    {"truncate", truncate},
    {"wordcount", word_count},
    {"urlencode", url_encode},
    {"striptags", strip_tags},
    {"xmlattr", xml_attributes},
    {"filesizeformat", file_size},
    {"tojson", to_json},
};

}  // namespace

std::span<const Filter> text_filters() {
  return table;
}

}  // namespace hearth::text::jinja
