// Code points of well-formed UTF-8, and what Python knows of them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hearth::text::jinja {

char32_t decode(std::string_view text, std::size_t& at);  // moves `at` past the character
void append(std::string& text, char32_t c);
std::size_t code_points(std::string_view text);
std::size_t byte_offset(std::string_view text, std::size_t index);  // of a code point; past the end: the size

bool is_space(char32_t c);
bool is_alpha(char32_t c);
bool is_decimal(char32_t c);  // str.isdecimal
bool is_digit(char32_t c);    // str.isdigit
bool is_numeric(char32_t c);
bool is_lower(char32_t c);
bool is_upper(char32_t c);
bool is_title(char32_t c);
bool is_printable(char32_t c);
bool is_word(char32_t c);  // \w

std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string casefold(std::string_view text);
std::string capitalize(std::string_view text);
std::string title(std::string_view text);
std::string swapcase(std::string_view text);

// Strips white space, or any of `chars`.
std::string_view strip(std::string_view text, bool left, bool right, std::optional<std::string_view> chars = {});

// Linear in the lengths, whatever they hold; npos where it is not found.
std::size_t find(std::string_view text, std::string_view what, std::size_t from = 0);
std::size_t find_last(std::string_view text, std::string_view what);

}  // namespace hearth::text::jinja
