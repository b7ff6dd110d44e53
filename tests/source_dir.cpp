#include "source_dir.h"

namespace hearth::tests {

std::string source_dir() {
  return HEARTH_SOURCE_DIR;
}

}  // namespace hearth::tests
