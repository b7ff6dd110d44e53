#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>

#include "base/error.h"
#include "cli/command.h"

namespace hearth::cli {

std::string read_text(const std::string& path, std::size_t limit) {
  std::ifstream file;
  std::error_code ignored;
  if (path != "-") {
    if (std::filesystem::is_directory(path, ignored)) throw Error(Code::bad_input, "not a regular file", path);
    file.open(path, std::ios::binary);
    if (!file) throw Error(errno == ENOENT ? Code::not_found : Code::io, std::strerror(errno), path);
  }
  std::istream& in = path == "-" ? std::cin : file;
  std::string text;
  for (char block[1 << 16]; in.read(block, sizeof block), in.gcount() > 0;) {
    text.append(block, std::size_t(in.gcount()));
    if (text.size() > limit) throw Error(Code::too_long, "the text is too long", path, "split it");
  }
  return text;
}

std::string to_text(const nlohmann::ordered_json& document, int indent) {
  return document.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

void print_json(const nlohmann::ordered_json& document) {
  const std::string text = to_text(document);
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
}

}  // namespace hearth::cli
