// Where the conformance data lives: $HEARTH_SHARED, or ../shared beside the checkout.
#pragma once

#include <cstdlib>
#include <filesystem>

#include "source_dir.h"

namespace hearth::tests {

inline std::filesystem::path shared() {
  if (const char* folder = std::getenv("HEARTH_SHARED")) return folder;
  return std::filesystem::path(source_dir()) / ".." / "shared";
}

// Where scripts/fetch-model puts the real models: $HEARTH_TEST_MODELS, or the store of the program itself.
inline std::filesystem::path models() {
  if (const char* folder = std::getenv("HEARTH_TEST_MODELS")) return folder;
  if (const char* home = std::getenv("HEARTH_HOME")) return std::filesystem::path(home) / "models";
  if (const char* data = std::getenv("XDG_DATA_HOME")) return std::filesystem::path(data) / "hearth" / "models";
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home ? home : "/root") / ".local" / "share" / "hearth" / "models";
}

}  // namespace hearth::tests

// Skips the test, aloud, where ../shared is absent; .ci/run refuses to start without it.
#define HEARTH_NEEDS_SHARED() \
  if (!std::filesystem::exists(hearth::tests::shared())) GTEST_SKIP() << "needs ../shared, which is absent"

// Skips where a real model has not been fetched (make models).
#define HEARTH_NEEDS_MODEL(file) \
  if (!std::filesystem::exists(hearth::tests::models() / (file))) GTEST_SKIP() << "needs " << (file) << " (make models)"
