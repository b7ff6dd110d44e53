#include "base/whole_file.h"

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/atomic_file.h"
#include "base/error.h"

namespace hearth {

std::string read_all(std::FILE* stream, const std::string& place, std::size_t limit) {
  std::string text;
  char block[1 << 16];
  while (const std::size_t count = std::fread(block, 1, sizeof block, stream)) {
    text.append(block, count);
    if (text.size() > limit) throw Error(Code::too_long, "the text is too long", place, "split it");
  }
  if (std::ferror(stream)) throw Error(Code::io, std::strerror(errno), place);
  return text;
}

std::string read_file(const std::filesystem::path& path, std::size_t limit) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"), std::fclose);
  if (!file) throw Error(errno == ENOENT ? Code::not_found : Code::io, std::strerror(errno), path.string());
  return read_all(file.get(), path.string(), limit);
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace hearth
