// Runs another program and takes what it prints.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace hearth::report {

struct Finished {
  int status = 0;   // its exit code, or 128 + the signal that ended it
  std::string out;  // of stdout and stderr
};

// `command[0]` is a path, or a name on PATH. None where there is no such
// program; throws io where it cannot be started.
std::optional<Finished> run(const std::vector<std::string>& command);

}  // namespace hearth::report
