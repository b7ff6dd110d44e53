// A report as pages: Markdown and HTML with pictures.
#pragma once

#include <string>
#include <vector>

#include "report/entry.h"

namespace hearth::report {

struct Picture {
  std::string name, svg;  // "quality-size"
};

// Quality against size and against speed; `others` are reports of the same model from other machines.
std::vector<Picture> pictures(const Report& report, const std::vector<Report>& others);

std::string markdown(const Report& report, const std::vector<Report>& others);
std::string html(const Report& report, const std::vector<Report>& others);

}  // namespace hearth::report
