// Compresses a model by several methods and measures what each one costs and buys.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "report/entry.h"

namespace hearth::report {

struct Options {
  std::filesystem::path model, out;  // a folder, made where it is not there
  // TYPE or TYPE:METHOD, such as "q4_k_m", "q4_0:feedback", or a file that is compressed already (NAME.gguf); none: the
  // default list.
  std::vector<std::string> methods;
  std::filesystem::path text;  // perplexity and divergence; empty: not measured
  std::size_t chunks = 20, context = 512;
  std::filesystem::path data;  // the tasks; empty: not measured
  std::vector<std::string> tasks;
  std::size_t limit = 0;                          // rows of each task
  std::filesystem::path calibration, importance;  // for methods that need them
  std::vector<std::filesystem::path> profiles;    // report.json of other machines
  std::filesystem::path program;                  // this one, run anew to measure speed and memory
  std::size_t threads = 0;
  bool keep = false;  // the compressed models, in `out`
};

std::vector<std::string> default_methods(bool calibrated);

// Writes report.json after every method, and at the end index.html, report.md and the pictures. Figures of an earlier
// run over the same model, text and data are used again. `progress` hears what goes on; false stops with cancelled.
// Returns the report and whether the PNG pictures could be written (rsvg-convert does it).
struct Written {
  Report report;
  bool png = true;
};
Written make_report(const Options& options, const std::function<bool(const std::string&)>& progress = {});

}  // namespace hearth::report
