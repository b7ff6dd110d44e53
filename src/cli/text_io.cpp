#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "cli/command.h"

namespace hearth::cli {

std::string read_text(const std::string& path, std::size_t limit) {
  const bool from_stdin = path == "-";
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(from_stdin ? nullptr : std::fopen(path.c_str(), "rb"),
                                                             std::fclose);
  std::FILE* const in = from_stdin ? stdin : file.get();
  const std::string place = from_stdin ? "stdin" : path;
  if (!in) throw Error(errno == ENOENT ? Code::not_found : Code::io, std::strerror(errno), place);
  std::string text;
  char block[1 << 16];
  while (const std::size_t count = std::fread(block, 1, sizeof block, in)) {
    text.append(block, count);
    if (text.size() > limit) throw Error(Code::too_long, "the text is too long", place, "split it");
  }
  if (std::ferror(in)) throw Error(Code::io, std::strerror(errno), place);
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
