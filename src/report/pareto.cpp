#include "report/pareto.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "report/svg.h"

namespace hearth::report {

namespace {

constexpr double width = 760, height = 480, left = 72, right = 24, top = 44, bottom = 56;
constexpr std::string_view colours[] = {"#c2410c", "#1d4ed8", "#047857", "#7e22ce", "#a16207", "#0e7490"};

std::string_view colour(std::size_t series) {
  return colours[series % std::size(colours)];
}

// Values along one side, with round numbers for ticks.
class Axis {
 public:
  Axis(double low, double high, double begin, double end) : begin_(begin), end_(end) {
    if (!(high > low)) {
      const double margin = std::max(std::abs(low) * 0.1, 1e-3);
      low -= margin;
      high += margin;
    }
    const double raw = (high - low) / 5, power = std::pow(10, std::floor(std::log10(raw)));
    for (const double factor : {1.0, 2.0, 2.5, 5.0, 10.0})
      if (factor * power >= raw) {
        step_ = factor * power;
        break;
      }
    low_ = std::floor((low - 0.04 * (high - low)) / step_) * step_;
    if (low >= 0) low_ = std::max(low_, 0.0);
    high_ = std::ceil((high + 0.04 * (high - low)) / step_) * step_;
  }
  double place(double value) const { return begin_ + (value - low_) / (high_ - low_) * (end_ - begin_); }
  std::vector<double> ticks() const {
    std::vector<double> values;
    for (int i = 0; low_ + i * step_ <= high_ + step_ / 2; ++i) values.push_back(low_ + i * step_);
    return values;
  }
  std::string name(double value) const {
    const int decimals = std::clamp(int(std::ceil(-std::log10(step_) - 1e-9)) + (step_ < 1 && is_quarter()), 0, 6);
    return fmt::format("{:.{}f}", std::abs(value) < step_ / 1e6 ? 0.0 : value, decimals);
  }

 private:
  bool is_quarter() const {
    const double lead = step_ / std::pow(10, std::floor(std::log10(step_)));
    return std::abs(lead - 2.5) < 1e-6;
  }
  double begin_, end_, low_, high_, step_ = 1;
};

struct Box {
  double x1, y1, x2, y2;
  double overlap(const Box& other) const {
    return std::max(0.0, std::min(x2, other.x2) - std::max(x1, other.x1)) *
           std::max(0.0, std::min(y2, other.y2) - std::max(y1, other.y1));
  }
};

// Where a label may stand, seen from its point.
struct Place {
  double dx, dy;
  std::string_view anchor;
};
constexpr Place beside_a_point[] = {{9, 4, "start"},    {-9, 4, "end"},   {0, -9, "middle"}, {0, 18, "middle"},
                                    {7, -7, "start"},   {7, 15, "start"}, {-7, -7, "end"},   {-7, 15, "end"},
                                    {0, -22, "middle"}, {0, 31, "middle"}};
// Of a line across, whose point is its middle.
constexpr double half = (width - left - right) / 2 - 6;
constexpr Place along_a_line[] = {{half, -6, "end"}, {half, 14, "end"}, {-half, -6, "start"}, {-half, 14, "start"}};

// Places each label where it covers least of what is there already.
class Labels {
 public:
  void keep_clear(double x, double y) { taken_.push_back({x - 6, y - 6, x + 6, y + 6}); }
  void keep_clear(const std::vector<std::pair<double, double>>& line) {
    constexpr double step = 6;
    for (std::size_t i = 1; i < line.size(); ++i) {
      const auto [x1, y1] = line[i - 1];
      const auto [x2, y2] = line[i];
      const double pieces = std::max(1.0, std::ceil(std::hypot(x2 - x1, y2 - y1) / step));
      for (double k = 0; k < pieces; ++k) {
        const double x = x1 + (x2 - x1) * (k + 0.5) / pieces, y = y1 + (y2 - y1) * (k + 0.5) / pieces;
        taken_.push_back({x - step / 2, y - 2, x + step / 2, y + 2});
      }
    }
  }
  void put(Svg& svg, double x, double y, const std::string& text, std::string_view fill,
           std::span<const Place> places = beside_a_point) {
    const double length = 6.3 * double(text.size()), size = 11;
    const Place* best = nullptr;
    Box best_box{};
    double least = 1e9;
    for (const Place& place : places) {
      const double start = x + place.dx - (place.anchor == "end" ? length : place.anchor == "middle" ? length / 2 : 0);
      const Box box{start, y + place.dy - size + 1, start + length, y + place.dy + 3};
      double cost = 0;
      for (const Box& other : taken_) cost += box.overlap(other);
      const Box inside{left, top - 10, width - 4, height - bottom};
      cost += 4 * ((box.x2 - box.x1) * (box.y2 - box.y1) - box.overlap(inside));
      if (cost < least - 1e-9) {
        least = cost;
        best = &place;
        best_box = box;
      }
    }
    taken_.push_back(best_box);
    svg.text(x + best->dx, y + best->dy, text, {.anchor = best->anchor, .size = size, .fill = fill, .halo = true});
  }

 private:
  std::vector<Box> taken_;
};

}  // namespace

std::vector<std::size_t> front(const ParetoPlot& plot, std::size_t series) {
  const auto better = [](double a, double b, bool high) { return high ? a > b : a < b; };
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < plot.points.size(); ++i) {
    const Point& one = plot.points[i];
    if (one.series != series) continue;
    const bool beaten = std::any_of(plot.points.begin(), plot.points.end(), [&](const Point& other) {
      if (other.series != series) return false;
      // Sizes that differ by a name in the metadata are the same.
      const bool same_x = std::abs(one.x - other.x) <= 1e-3 * std::abs(one.x);
      const bool x_worse = !same_x && better(one.x, other.x, plot.x_high_is_better);
      const bool y_worse = better(one.y, other.y, plot.y_high_is_better);
      return !x_worse && !y_worse && (!same_x || other.y != one.y);
    });
    if (!beaten) kept.push_back(i);
  }
  std::sort(kept.begin(), kept.end(),
            [&](std::size_t a, std::size_t b) { return plot.points[a].x < plot.points[b].x; });
  return kept;
}

std::string draw(const ParetoPlot& given) {
  ParetoPlot plot = given;
  std::erase_if(plot.points, [](const Point& point) { return !std::isfinite(point.x) || !std::isfinite(point.y); });
  Svg svg(width, height);
  svg.text(left, 26, plot.title, {.size = 15, .fill = "#111111", .bold = true});
  if (plot.points.empty()) return svg.finish();

  double x_low = 1e300, x_high = -1e300, y_low = 1e300, y_high = -1e300;
  for (const Point& point : plot.points) {
    x_low = std::min(x_low, point.x);
    x_high = std::max(x_high, point.x);
    y_low = std::min(y_low, point.y - point.y_error);
    y_high = std::max(y_high, point.y + point.y_error);
  }
  if (plot.reference) {
    y_low = std::min(y_low, plot.reference->y);
    y_high = std::max(y_high, plot.reference->y);
  }
  const Axis x(x_low, x_high, left, width - right), y(y_low, y_high, height - bottom, top);
  for (const double tick : x.ticks()) {
    svg.line(x.place(tick), top, x.place(tick), height - bottom, "#e5e5e5");
    svg.text(x.place(tick), height - bottom + 18, x.name(tick), {.anchor = "middle", .size = 11});
  }
  for (const double tick : y.ticks()) {
    svg.line(left, y.place(tick), width - right, y.place(tick), "#e5e5e5");
    svg.text(left - 8, y.place(tick) + 4, y.name(tick), {.anchor = "end", .size = 11});
  }
  svg.line(left, height - bottom, width - right, height - bottom, "#555555");
  svg.line(left, top, left, height - bottom, "#555555");
  svg.text((left + width - right) / 2, height - 14, plot.x_label, {.anchor = "middle"});
  svg.text(20, (top + height - bottom) / 2, plot.y_label, {.anchor = "middle", .turn = -90});

  Labels labels;
  for (const Point& point : plot.points) labels.keep_clear(x.place(point.x), y.place(point.y));
  if (plot.reference) {
    const double level = y.place(plot.reference->y);
    const std::vector<std::pair<double, double>> line{{left, level}, {width - right, level}};
    svg.polyline(line, "#555555", 1.5, "2 4");
    labels.keep_clear(line);
    labels.put(svg, (left + width - right) / 2, level, plot.reference->label, "#333333", along_a_line);
  }
  for (std::size_t series = 0; series < plot.series.size(); ++series) {
    std::vector<std::pair<double, double>> line;
    for (const std::size_t i : front(plot, series))
      line.push_back({x.place(plot.points[i].x), y.place(plot.points[i].y)});
    svg.polyline(line, colour(series), 1.5, "5 4");
    labels.keep_clear(line);
  }
  for (const Point& point : plot.points) {
    const double at_x = x.place(point.x), low = y.place(point.y - point.y_error),
                 high = y.place(point.y + point.y_error);
    if (point.y_error > 0)
      for (const auto& [x1, y1, x2, y2] :
           {Box{at_x, low, at_x, high}, Box{at_x - 3, low, at_x + 3, low}, Box{at_x - 3, high, at_x + 3, high}})
        svg.line(x1, y1, x2, y2, "#b8b8b8");
  }
  for (std::size_t i = 0; i < plot.points.size(); ++i) {
    const Point& point = plot.points[i];
    const auto best = front(plot, point.series);
    const bool on_front = std::find(best.begin(), best.end(), i) != best.end();
    svg.circle(x.place(point.x), y.place(point.y), on_front ? 5.5 : 4, colour(point.series), point.label);
    labels.put(svg, x.place(point.x), y.place(point.y), point.label, on_front ? "#111111" : "#666666");
  }
  if (plot.series.size() > 1)
    for (std::size_t series = 0; series < plot.series.size(); ++series) {
      const double at = top + 14 + 18 * double(series);
      svg.circle(width - right - 250, at, 5, colour(series));
      svg.text(width - right - 240, at + 4, plot.series[series], {.size = 11});
    }
  return svg.finish();
}

}  // namespace hearth::report
