#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/error.h"
#include "base/utf8.h"
#include "base/whole_file.h"
#include "cli/command.h"

namespace hearth::cli {

std::string read_text(const std::string& path) {
  return path == "-" ? read_all(stdin, "stdin") : read_file(path);
}

void check_utf8(const std::string& text, const std::string& what) {
  if (!is_utf8(text)) throw Error(Code::bad_input, what + " is not valid UTF-8");
}

void cut_line_end(std::string& text) {
  for (const char end : {'\n', '\r'})
    if (text.ends_with(end)) text.pop_back();
}

bool read_line(std::istream& in, std::string& line) {
  if (!std::getline(in, line)) return false;
  cut_line_end(line);
  return true;
}

std::string to_text(const nlohmann::ordered_json& document, int indent) {
  return document.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

void flush_stdout() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout))
    throw Error(Code::io, std::strerror(errno), "stdout", "the result is not whole");
}

void print_piece(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  flush_stdout();
}

void print_json(const nlohmann::ordered_json& document) {
  const std::string text = to_text(document);
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
}

}  // namespace hearth::cli
