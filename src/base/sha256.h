// SHA-256. [FIPS 180-4]
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace hearth {

class Sha256 {
 public:
  void add(std::span<const std::byte> bytes);
  // Lower-case hexadecimal; the object is used up.
  std::string finish();

 private:
  void block(const std::byte* bytes);

  std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, 64> rest_{};
  std::size_t held_ = 0;  // bytes of rest_
  std::uint64_t length_ = 0;
};

// Of a whole file, or of several one after another; empty where `stop` became true meanwhile. Throws not_found, io.
std::string sha256_of(const std::filesystem::path& path);
std::string sha256_of(const std::vector<std::filesystem::path>& paths, const std::atomic<bool>* stop = nullptr);

}  // namespace hearth
