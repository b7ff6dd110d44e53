// Writes SVG: the few shapes that a plot needs.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hearth::report {

// A text with what markup means replaced.
std::string escape(std::string_view text);

class Svg {
 public:
  struct Text {
    std::string_view anchor = "start";  // "start", "middle", "end"
    double size = 12;
    std::string_view fill = "#333333";
    double turn = 0;  // degrees
    bool bold = false;
    bool halo = false;  // white around it, so that lines do not strike it through
  };

  Svg(double width, double height);
  void line(double x1, double y1, double x2, double y2, std::string_view stroke, double width = 1);
  void polyline(const std::vector<std::pair<double, double>>& points, std::string_view stroke, double width,
                std::string_view dashes = {});
  void circle(double x, double y, double radius, std::string_view fill, std::string_view title = {});
  void rectangle(double x, double y, double width, double height, std::string_view fill);
  void text(double x, double y, std::string_view text, const Text& style);
  std::string finish() const { return text_ + "</svg>\n"; }

 private:
  std::string text_;
};

}  // namespace hearth::report
