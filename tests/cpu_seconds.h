// How long this process has computed: what else runs on the machine does not count.
#pragma once

#include <ctime>

namespace hearth {

inline double cpu_seconds() {
  return double(std::clock()) / CLOCKS_PER_SEC;
}

}  // namespace hearth
