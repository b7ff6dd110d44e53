// A Pareto picture: quality against what it costs, with the points that no other beats joined by a line.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace hearth::report {

struct Point {
  std::string label;
  double x = 0, y = 0;
  double y_error = 0;      // half the length of its bar
  std::size_t series = 0;  // an index of ParetoPlot::series
};

struct ParetoPlot {
  std::string title, x_label, y_label;
  bool x_high_is_better = false, y_high_is_better = true;
  std::vector<std::string> series;  // a machine each; a legend where there is more than one
  std::vector<Point> points = {};
  struct Level {
    double y = 0;
    std::string label = {};
  };
  std::optional<Level> reference = {};  // a line across, of what all points are compared with
};

// The points of one series that no other of it beats in one way without losing in the other, from left to right. A
// thousandth of x counts for nothing.
std::vector<std::size_t> front(const ParetoPlot& plot, std::size_t series);

// As SVG, 760 x 480. Points that are not finite are left out.
std::string draw(const ParetoPlot& plot);

}  // namespace hearth::report
