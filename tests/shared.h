// Where the conformance data lives: $HEARTH_SHARED, or ../shared beside the checkout.
#pragma once

#include <cstdlib>
#include <filesystem>

namespace hearth::tests {

inline std::filesystem::path shared() {
  if (const char* folder = std::getenv("HEARTH_SHARED")) return folder;
  return std::filesystem::path(HEARTH_SOURCE_DIR) / ".." / "shared";
}

// The folder `make fetch-models` fills: $HEARTH_TEST_MODELS, or models/ in the checkout.
inline std::filesystem::path models() {
  if (const char* folder = std::getenv("HEARTH_TEST_MODELS")) return folder;
  return std::filesystem::path(HEARTH_SOURCE_DIR) / "models";
}

}  // namespace hearth::tests

// Skips the test, aloud, where ../shared is absent; .ci/run refuses to start without it.
#define HEARTH_NEEDS_SHARED() \
  if (!std::filesystem::exists(hearth::tests::shared())) GTEST_SKIP() << "needs ../shared, which is absent"

// Skips where a real model has not been fetched (make fetch-models).
#define HEARTH_NEEDS_MODEL(file) \
  if (!std::filesystem::exists(hearth::tests::models() / (file))) GTEST_SKIP() << "needs models/" << (file) << " (make fetch-models)"
