#include "report/svg.h"

#include <fmt/format.h>

namespace hearth::report {

std::string escape(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    if (c == '&')
      safe += "&amp;";
    else if (c == '<')
      safe += "&lt;";
    else if (c == '>')
      safe += "&gt;";
    else if (c == '"')
      safe += "&quot;";
    else if (static_cast<unsigned char>(c) >= ' ' || c == '\n')
      safe += c;
  }
  return safe;
}

Svg::Svg(double width, double height)
    : text_(fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:g} {1:g}\" width=\"{0:g}\" "
                        "height=\"{1:g}\" font-family=\"'DejaVu Sans', sans-serif\">\n",
                        width, height)) {
  rectangle(0, 0, width, height, "#ffffff");
}

void Svg::line(double x1, double y1, double x2, double y2, std::string_view stroke, double width) {
  text_ += fmt::format(
      "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\" stroke-width=\"{:g}\"/>\n", x1, y1,
      x2, y2, stroke, width);
}

void Svg::polyline(const std::vector<std::pair<double, double>>& points, std::string_view stroke, double width,
                   std::string_view dashes) {
  std::string places;
  for (const auto& [x, y] : points) places += fmt::format("{:.1f},{:.1f} ", x, y);
  text_ +=
      fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{:g}\"", places, stroke, width);
  if (!dashes.empty()) text_ += fmt::format(" stroke-dasharray=\"{}\"", dashes);
  text_ += "/>\n";
}

void Svg::circle(double x, double y, double radius, std::string_view fill, std::string_view title) {
  text_ += fmt::format(
      "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:g}\" fill=\"{}\" stroke=\"#ffffff\"><title>{}</title></circle>\n", x,
      y, radius, fill, escape(title));
}

void Svg::rectangle(double x, double y, double width, double height, std::string_view fill) {
  text_ += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\"/>\n", x, y,
                       width, height, fill);
}

void Svg::text(double x, double y, std::string_view text, const Text& style) {
  text_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" font-size=\"{:g}\" fill=\"{}\" text-anchor=\"{}\"", x, y,
                       style.size, style.fill, style.anchor);
  if (style.halo) text_ += " stroke=\"#ffffff\" stroke-width=\"3\" paint-order=\"stroke\"";
  if (style.bold) text_ += " font-weight=\"bold\"";
  if (style.turn != 0) text_ += fmt::format(" transform=\"rotate({:g} {:.1f} {:.1f})\"", style.turn, x, y);
  text_ += fmt::format(">{}</text>\n", escape(text));
}

}  // namespace hearth::report
