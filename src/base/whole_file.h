// Files read and written whole, where they are texts: models are mapped (mapped_file.h).
#pragma once

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>

namespace hearth {

// What is left of a stream, called `place` where it fails. Throws io, or too_long beyond `limit` bytes.
std::string read_all(std::FILE* stream, const std::string& place, std::size_t limit = std::size_t{1} << 30);

// A file's bytes. Throws not_found too.
std::string read_file(const std::filesystem::path& path, std::size_t limit = std::size_t{1} << 30);

// All of it or nothing, as AtomicFile does.
void write_file(const std::filesystem::path& path, std::string_view text);

}  // namespace hearth
