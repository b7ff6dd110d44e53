// The checkout's folder. Defined in one small object, so that compiled tests are the same in every checkout (ccache).
#pragma once

#include <string>

namespace hearth::tests {

std::string source_dir();

}  // namespace hearth::tests
