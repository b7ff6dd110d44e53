#include "text/jinja/pretty.h"

#include <algorithm>

#include "text/jinja/methods.h"
#include "text/jinja/operators.h"
#include "text/jinja/show.h"
#include "text/jinja/unicode.h"

namespace hearth::text::jinja {

namespace {

// Keys that cannot be compared are sorted by the names of their types.
int rank(const Value& key) {
  return key.is_none() ? 0 : key.is_number() ? 1 : key.is_text() ? 2 : 3;
}

// groupby's pairs have a repr() of their own, which pprint takes as it is.
bool is_group(const Value& value) {
  return value.is(Kind::tuple) && value.as<Sequence>().group;
}

// The same with all dicts sorted.
Value in_order(Runtime& runtime, const Value& value) {
  const Runtime::Level level(runtime);
  runtime.step();
  if ((value.is(Kind::list) || value.is(Kind::tuple)) && !is_group(value)) {
    Values items;
    for (const Value& item : value.as<Sequence>().items) items.push_back(in_order(runtime, item));
    return value.is(Kind::list) ? runtime.list(std::move(items)) : runtime.tuple(std::move(items));
  }
  if (!value.is(Kind::dict)) return value;
  auto entries = value.as<Dict>().entries;
  std::stable_sort(entries.begin(), entries.end(), [&](const auto& a, const auto& b) {
    return rank(a.first) != rank(b.first) ? rank(a.first) < rank(b.first) : less(runtime, a.first, b.first);
  });
  auto sorted = std::make_unique<Dict>();
  for (const auto& [key, item] : entries) sorted->set(runtime, key, in_order(runtime, item));
  return runtime.dict(std::move(sorted));
}

class Writer {
 public:
  explicit Writer(Runtime& runtime) : runtime_(runtime) {}

  // From column `indent` on, with `allowance` characters to follow on the last line; `level` nested.
  void write(const Value& value, std::size_t indent, std::size_t allowance, int level) {
    const Runtime::Level nested(runtime_);
    const std::string line = repr(runtime_, value);
    if (code_points(line) + indent + allowance <= width || is_group(value)) return add(line);
    switch (value.kind()) {
      case Kind::list:
        return items(value, indent, allowance, "[", "]", level);
      case Kind::tuple:
        return items(value, indent, allowance, "(", value.as<Sequence>().items.size() == 1 ? ",)" : ")", level);
      case Kind::dict:
        return dict(value.as<Dict>(), indent, allowance, level);
      case Kind::text:
        if (!value.as<Text>().markup) return text(value, line, indent, allowance, level);
        return add(line);
      default:
        return add(line);
    }
  }

  std::string out;

 private:
  static constexpr std::size_t width = 80;

  void add(std::string_view piece) { runtime_.append(out, piece); }
  void new_line(std::size_t indent) { add("\n" + std::string(indent, ' ')); }

  void items(const Value& value, std::size_t indent, std::size_t allowance, std::string_view open,
             std::string_view close, int level) {
    const Values& all = value.as<Sequence>().items;
    add(open);
    for (std::size_t i = 0; i < all.size(); ++i) {
      write(all[i], indent + 1, i + 1 < all.size() ? 1 : allowance + close.size(), level + 1);
      if (i + 1 == all.size()) break;
      add(",");
      new_line(indent + 1);
    }
    add(close);
  }

  void dict(const Dict& dict, std::size_t indent, std::size_t allowance, int level) {
    add("{");
    for (std::size_t i = 0; i < dict.entries.size(); ++i) {
      const auto& [key, item] = dict.entries[i];
      const bool last = i + 1 == dict.entries.size();
      const std::string name = repr(runtime_, key);
      add(name + ": ");
      write(item, indent + 1 + code_points(name) + 2, last ? allowance + 1 : 1, level + 1);
      if (last) break;
      add(",");
      new_line(indent + 1);
    }
    add("}");
  }

  // A text is cut at its lines, and those that are too long between words; in parentheses where it stands alone.
  void text(const Value& value, const std::string& line, std::size_t indent, std::size_t allowance, int level) {
    if (level == 0) {
      ++indent;
      ++allowance;
    }
    const auto fits = [&](std::string_view quoted, bool last) {
      return code_points(quoted) + indent + (last ? allowance : 0) <= width;
    };
    std::vector<std::string> pieces;
    const Values lines = split_lines(runtime_, value.text(), true, false);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const bool last_line = i + 1 == lines.size();
      if (std::string quoted = quote(lines[i].text()); fits(quoted, last_line)) {
        pieces.push_back(std::move(quoted));
        continue;
      }
      std::string current;
      const std::string& rest = lines[i].text();
      for (std::size_t at = 0; at < rest.size();) {
        const std::string word(rest.substr(at, end_of_word(rest, at) - at));
        at += word.size();
        runtime_.step();
        if (!current.empty() && !fits(quote(current + word), last_line && at == rest.size())) {
          pieces.push_back(quote(current));
          current.clear();
        }
        current += word;
      }
      pieces.push_back(quote(current));
    }
    if (pieces.size() == 1) return add(line);
    if (level == 0) add("(");
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      if (i > 0) new_line(indent);
      add(pieces[i]);
    }
    if (level == 0) add(")");
  }

  static std::size_t end_of_word(std::string_view text, std::size_t at) {  // with the white space after it
    bool gap = false;
    while (at < text.size()) {
      std::size_t next = at;
      const bool space = is_space(decode(text, next));
      if (gap && !space) break;
      gap = space;
      at = next;
    }
    return at;
  }

  Runtime& runtime_;
};

}  // namespace

std::string pretty(Runtime& runtime, const Value& value) {
  Writer writer(runtime);
  writer.write(in_order(runtime, value), 0, 0, 0);
  return std::move(writer.out);
}

}  // namespace hearth::text::jinja
