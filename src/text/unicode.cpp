#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <span>
#include <vector>

#include "base/utf8.h"

namespace hearth::text {

namespace {

bool is_space(std::uint32_t code) {
  return (code >= 0x09 && code <= 0x0d) || code == 0x20 || code == 0x85 || code == 0xa0 || code == 0x1680 ||
         (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 || code == 0x202f || code == 0x205f ||
         code == 0x3000;
}

Classes classify(std::uint32_t code) {
  Classes classes = is_space(code) ? space : 0;
  if (code == '\n' || code == '\r') classes |= line_break;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return classes | letter;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
      return classes | mark;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return classes | number;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
      return classes | punctuation;
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO:
      return classes | symbol;
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
      return classes | control;
    default:  // separators, and what is unassigned
      return classes;
  }
}

}  // namespace

ClassTable::ClassTable() {
  for (std::uint32_t code = 0; code < 0x10000; ++code) low_[code] = classify(code);
}

const ClassTable& ClassTable::get() {
  static const ClassTable table;
  return table;
}

Classes ClassTable::high(std::uint32_t code) noexcept {
  return classify(code);
}

Character decode_multibyte(std::string_view text, std::size_t at) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[at + i])); };
  const std::uint32_t lead = byte(0);
  const std::uint32_t bytes = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (at + bytes > text.size() || utf8_valid_prefix(text.substr(at, bytes)) != bytes) return {replacement_character, 1};
  std::uint32_t code = bytes == 2 ? lead & 0x1f : bytes == 3 ? lead & 0x0f : lead & 0x07;
  for (std::uint32_t i = 1; i < bytes; ++i) code = code << 6 | (byte(i) & 0x3f);
  return {code, bytes};
}

void append_utf8(std::string& text, std::uint32_t code) {
  const auto add = [&](std::uint32_t byte) { text += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (code < 0x80) {
    add(code);
  } else if (code < 0x800) {
    add(0xc0 | code >> 6);
    add(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    add(0xe0 | code >> 12);
    add(0x80 | (code >> 6 & 0x3f));
    add(0x80 | (code & 0x3f));
  } else {
    add(0xf0 | code >> 18);
    add(0x80 | (code >> 12 & 0x3f));
    add(0x80 | (code >> 6 & 0x3f));
    add(0x80 | (code & 0x3f));
  }
}

Case case_of(std::uint32_t code) noexcept {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code))) {
    case UTF8PROC_CATEGORY_LL:
      return Case::small;
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT:
      return Case::capital;
    default:
      return Case::none;
  }
}

std::uint32_t lower_case(std::uint32_t code) noexcept {
  return static_cast<std::uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code)));
}

std::size_t without_accents(std::uint32_t code, std::uint32_t (&bases)[most_bases]) noexcept {
  bases[0] = code;
  if (code < 0xc0) return 1;
  utf8proc_int32_t parts[most_bases] = {};
  int last_class = 0;
  const auto count =
      utf8proc_decompose_char(static_cast<utf8proc_int32_t>(code), parts, most_bases, UTF8PROC_DECOMPOSE, &last_class);
  if (count <= 0 || count > static_cast<utf8proc_ssize_t>(most_bases)) return 1;
  std::size_t kept = 0;
  for (const utf8proc_int32_t part : std::span(parts).first(static_cast<std::size_t>(count)))
    if (utf8proc_category(part) != UTF8PROC_CATEGORY_MN) bases[kept++] = static_cast<std::uint32_t>(part);
  return kept;
}

std::string composed(std::string_view text) {
  // From U+0300 on, in UTF-8 from 0xcc, characters may change or be marks.
  const bool plain = std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0xcc; });
  if (plain || !is_utf8(text)) return std::string(text);
  constexpr std::size_t longest = 4;  // of a full canonical decomposition
  std::vector<utf8proc_int32_t> codes;
  codes.reserve(text.size() + longest);
  for (std::size_t at = 0; at < text.size();) {
    const auto [code, bytes] = character_at(text, at);
    at += bytes;
    utf8proc_int32_t parts[longest] = {};
    int last_class = 0;
    const auto count =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(code), parts, longest, UTF8PROC_DECOMPOSE, &last_class);
    codes.insert(codes.end(), parts, parts + count);
  }
  // utf8proc's own sorting of marks is quadratic.
  const auto combining = [](utf8proc_int32_t code) { return utf8proc_get_property(code)->combining_class; };
  for (auto first = codes.begin(); first != codes.end();) {
    first = std::find_if(first, codes.end(), combining);
    const auto last = std::find_if_not(first, codes.end(), combining);
    std::stable_sort(first, last, [&](auto a, auto b) { return combining(a) < combining(b); });
    first = last;
  }
  const auto count = utf8proc_normalize_utf32(codes.data(), static_cast<utf8proc_ssize_t>(codes.size()),
                                              static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  std::string result;
  result.reserve(text.size());
  for (const utf8proc_int32_t code : std::span(codes).first(static_cast<std::size_t>(count)))
    append_utf8(result, static_cast<std::uint32_t>(code));
  return result;
}

}  // namespace hearth::text
