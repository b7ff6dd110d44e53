#include "text/jinja/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/utf8.h"
#include "text/jinja/unicode.h"

namespace hearth::text::jinja {

void syntax_error(std::string_view fault, std::uint32_t line) {
  throw Error(Code::bad_input, fault, fmt::format("template line {}", line));
}

namespace {

// Line ends become \n; one at the end of the template goes.
std::string normalised(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    out.push_back(source[i] == '\r' ? '\n' : source[i]);
    if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

bool letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool digit(char c) {
  return c >= '0' && c <= '9';
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : text_(normalised(source)) {}

  std::vector<Token> run() {
    while (at_ < text_.size()) root();
    add(TokenType::end, "");
    return std::move(tokens_);
  }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool starts(std::string_view what, std::size_t at) const { return text_.compare(at, what.size(), what) == 0; }
  bool starts(std::string_view what) const { return starts(what, at_); }

  Token& add(TokenType type, std::string text) {
    tokens_.push_back({type, line_, std::move(text), {}});
    return tokens_.back();
  }

  void advance(std::size_t end) {
    line_ += static_cast<std::uint32_t>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(at_),
                                                   text_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
    at_ = end;
  }

  std::size_t past_space(std::size_t at) const {
    while (at < text_.size()) {
      std::size_t next = at;
      if (!is_space(decode(text_, next))) break;
      at = next;
    }
    return at;
  }

  // Text up to the next tag, and what the tag's sign and lstrip_blocks leave of it.
  void root() {
    std::size_t tag = at_;
    while ((tag = text_.find('{', tag)) != std::string::npos)
      if (starts("{{", tag) || starts("{%", tag) || starts("{#", tag))
        break;
      else
        ++tag;
    if (tag == std::string::npos) tag = text_.size();
    const char kind = tag < text_.size() ? text_[tag + 1] : '\0';
    const char sign =
        tag + 2 < text_.size() && (text_[tag + 2] == '-' || text_[tag + 2] == '+') ? text_[tag + 2] : '\0';
    data(tag, kind == '\0' ? '+' : sign, kind == '{');
    if (kind == '\0') return;
    line_starts_ = false;
    if (kind == '%' && raw(tag)) return;
    if (kind != '#') add(kind == '{' ? TokenType::variable_begin : TokenType::block_begin, "");
    at_ = tag + 2 + (sign != '\0');
    if (kind == '#')
      comment();
    else
      inside(kind == '{');
  }

  void data(std::size_t end, char sign, bool variable) {
    std::string_view text(text_.data() + at_, end - at_);
    if (sign == '-') {
      text = strip(text, false, true);
    } else if (sign != '+' && !variable) {
      const std::size_t newline = text.rfind('\n');
      const std::size_t last_line = newline == std::string_view::npos ? 0 : newline + 1;
      if ((last_line > 0 || line_starts_) && strip(text.substr(last_line), true, false).empty())
        text = text.substr(0, last_line);
    }
    if (!text.empty()) add(TokenType::data, std::string(text));
    advance(end);
  }

  // After a tag that trims: -%} takes all white space, %} one line end.
  void close(std::size_t end, bool minus, bool trim_line) {
    std::size_t next = minus ? past_space(end) : end;
    if (!minus && trim_line && next < text_.size() && text_[next] == '\n') ++next;
    advance(next);
    line_starts_ = text_[next - 1] == '\n';
  }

  void comment() {
    if (at_ == text_.size()) return;  // nothing begins here, says Jinja
    const std::size_t end = text_.find("#}", at_);
    if (end == std::string::npos) syntax_error("missing end of comment tag", line_);
    const char sign = end > at_ ? text_[end - 1] : '\0';
    close(end + 2, sign == '-', sign != '+');
  }

  // The end of `{%- NAME -%}`, or npos where another tag stands there.
  std::size_t tag_named(std::string_view name, std::size_t at) const {
    at += 2;
    if (at < text_.size() && (text_[at] == '-' || text_[at] == '+')) ++at;
    at = past_space(at);
    if (!starts(name, at)) return std::string::npos;
    at = past_space(at + name.size());
    if (starts("%}", at)) return at + 2;
    const bool plus = name != "raw" && starts("+%}", at);
    return starts("-%}", at) || plus ? at + 3 : std::string::npos;
  }

  bool raw(std::size_t tag) {
    const std::size_t begin = tag_named("raw", tag);
    if (begin == std::string::npos) return false;
    advance(text_[begin - 3] == '-' ? past_space(begin) : begin);
    line_starts_ = text_[at_ - 1] == '\n';
    std::size_t close_tag = at_, end = std::string::npos;
    while ((close_tag = text_.find("{%", close_tag)) != std::string::npos)
      if ((end = tag_named("endraw", close_tag)) != std::string::npos)
        break;
      else
        close_tag += 2;
    if (close_tag == std::string::npos) syntax_error("missing end of raw directive", line_);
    const char sign = text_[close_tag + 2];
    data(close_tag, sign, false);
    close(end, text_[end - 3] == '-', text_[end - 3] != '+');
    return true;
  }

  void inside(bool variable) {
    brackets_.clear();
    for (;;) {
      if (at_ >= text_.size()) {
        add(TokenType::end, "");
        return;
      }
      if (brackets_.empty()) {
        const std::string_view end = variable ? "}}" : "%}";
        const bool minus = peek() == '-' && starts(end, at_ + 1);
        const bool plus = !variable && peek() == '+' && starts(end, at_ + 1);
        if (minus || plus || starts(end)) {
          add(variable ? TokenType::variable_end : TokenType::block_end, "");
          close(at_ + 2 + (minus || plus), minus, !variable && !plus);
          return;
        }
      }
      token();
    }
  }

  void token() {
    std::size_t next = at_;
    if (is_space(decode(text_, next))) return advance(past_space(at_));
    const char c = peek();
    if (digit(c)) return number();
    if (letter(c)) return name();
    if (c == '\'' || c == '"') return string();
    sign();
  }

  // Digits with single underscores between them; `at` moves past them.
  template <class Is>
  bool digits(std::size_t& at, const Is& is) const {
    const std::size_t begin = at;
    for (;;) {
      std::size_t next = at;
      if (next > begin && next < text_.size() && text_[next] == '_') ++next;
      if (next >= text_.size() || !is(text_[next])) break;
      at = next + 1;
    }
    return at > begin;
  }

  void number() {
    std::size_t end = at_;
    digits(end, digit);
    std::size_t real = end;
    bool is_real = false;
    const bool after_dot = at_ > 0 && text_[at_ - 1] == '.';
    if (!after_dot) {
      std::size_t at = end + 1;
      if (end < text_.size() && text_[end] == '.' && digits(at, digit)) {
        is_real = true;
        real = at;
      }
      if (real < text_.size() && (text_[real] | 0x20) == 'e') {
        at = real + 1;
        if (at < text_.size() && (text_[at] == '+' || text_[at] == '-')) ++at;
        if (digits(at, digit)) {
          is_real = true;
          real = at;
        }
      }
    }
    if (is_real) {
      std::string clean = plain(at_, real);
      double value = 0;
      const auto result = std::from_chars(clean.data(), clean.data() + clean.size(), value);
      if (result.ec == std::errc::result_out_of_range) value = std::strtod(clean.c_str(), nullptr);
      add(TokenType::floating, "").number = Value::floating(value);
      return advance(real);
    }
    integer();
  }

  std::string plain(std::size_t begin, std::size_t end) const {
    std::string clean = text_.substr(begin, end - begin);
    clean.erase(std::remove(clean.begin(), clean.end(), '_'), clean.end());
    return clean;
  }

  void integer() {
    int base = 10;
    std::size_t begin = at_, end = at_;
    for (const auto& [mark, its] : {std::pair('b', 2), std::pair('o', 8), std::pair('x', 16)}) {
      if (peek() != '0' || (peek(1) | 0x20) != mark) continue;
      const auto is = [its_ = its](char c) {
        return its_ == 16 ? digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') : c >= '0' && c < '0' + its_;
      };
      std::size_t at = at_ + 2;
      if (at < text_.size() && text_[at] == '_') ++at;
      if (!digits(at, is)) continue;
      base = its;
      begin = at_ + 2;
      end = at;
    }
    if (base == 10) {
      if (peek() == '0')
        digits(end, [](char c) { return c == '0'; });
      else
        digits(end, digit);
    }
    Int value = 0;
    for (const char c : plain(begin, end)) {
      const int d = digit(c) ? c - '0' : (c | 0x20) - 'a' + 10;
      if (__builtin_mul_overflow(value, Int{base}, &value) || __builtin_add_overflow(value, Int{d}, &value))
        syntax_error("an integer is too large", line_);
    }
    add(TokenType::integer, "").number = Value::integer(value);
    advance(end);
  }

  void name() {
    std::size_t end = at_;
    while (end < text_.size() && (letter(text_[end]) || digit(text_[end]))) {
      std::size_t next = end;
      const char32_t c = decode(text_, next);
      if (c >= 0x80 && !is_alpha(c) && !is_numeric(c) && utf8_joins(c) == false)
        syntax_error(fmt::format("unexpected character '{}'", text_.substr(end, next - end)), line_);
      end = next;
    }
    add(TokenType::name, text_.substr(at_, end - at_));
    at_ = end;
  }

  static bool utf8_joins(char32_t c) { return c == 0xb7 || (c >= 0x300 && c <= 0x36f); }  // combining marks

  void string() {
    const char quote = peek();
    const std::uint32_t line = line_;
    std::string out;
    std::size_t at = at_ + 1;
    while (at < text_.size() && text_[at] != quote) {
      if (text_[at] == '\\' && at + 1 < text_.size())
        escape(out, at);
      else
        out.push_back(text_[at++]);
    }
    if (at >= text_.size()) syntax_error("a string has no end", line);
    add(TokenType::string, std::move(out));
    advance(at + 1);
  }

  // Python's escapes; an unknown one stays as it is written.
  void escape(std::string& out, std::size_t& at) {
    const char c = text_[at + 1];
    constexpr std::string_view letters = "abfnrtv\\'\"", stands_for = "\a\b\f\n\r\t\v\\'\"";
    if (c == '\n') {
      at += 2;
    } else if (const std::size_t which = letters.find(c); which != std::string_view::npos) {
      out.push_back(stands_for[which]);
      at += 2;
    } else if (c >= '0' && c <= '7') {
      char32_t code = 0;
      for (++at; at < text_.size() && text_[at] >= '0' && text_[at] <= '7' && code < 0100; ++at)
        code = code * 8 + static_cast<char32_t>(text_[at] - '0');
      append(out, code);
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const std::size_t count = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      std::uint32_t code = 0;
      const char* begin = text_.data() + std::min(at + 2, text_.size());
      const char* end = text_.data() + std::min(at + 2 + count, text_.size());
      const auto result = std::from_chars(begin, end, code, 16);
      if (result.ptr != begin + count) syntax_error(fmt::format("truncated \\{} escape", c), line_);
      if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        syntax_error(fmt::format("\\{} escape is no character", c), line_);
      append(out, code);
      at += 2 + count;
    } else {
      out.push_back('\\');
      ++at;
    }
  }

  void sign() {
    constexpr std::string_view twos[] = {"//", "**", "==", "!=", ">=", "<="};
    for (const std::string_view two : twos)
      if (starts(two)) {
        add(TokenType::sign, std::string(two));
        at_ += 2;
        return;
      }
    const char c = peek();
    if (std::string_view("+-/*%~[](){}><=.:|,;").find(c) == std::string_view::npos)
      syntax_error(fmt::format("unexpected character '{}'", c), line_);
    if (c == '(' || c == '[' || c == '{') brackets_.push_back(c == '(' ? ')' : c == '[' ? ']' : '}');
    if (c == ')' || c == ']' || c == '}') {
      if (brackets_.empty()) syntax_error(fmt::format("unexpected '{}'", c), line_);
      if (brackets_.back() != c)
        syntax_error(fmt::format("unexpected '{}', expected '{}'", c, brackets_.back()), line_);
      brackets_.pop_back();
    }
    add(TokenType::sign, std::string(1, c));
    ++at_;
  }

  std::string text_;
  std::size_t at_ = 0;
  std::uint32_t line_ = 1;
  bool line_starts_ = true;
  std::string brackets_;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> lex(std::string_view source) {
  if (!is_utf8(source)) throw Error(Code::bad_input, "not UTF-8", "chat template");
  return Lexer(source).run();
}

}  // namespace hearth::text::jinja
