#include "report/pareto.h"

#include <gtest/gtest.h>

#include <cmath>

namespace hearth::report {
namespace {

ParetoPlot plot() {
  ParetoPlot plot{"T & co", "MB", "quality", false, true, {"here"}, {}};
  plot.points = {{"big", 100, 60, 1, 0}, {"small", 50, 58, 1, 0}, {"worse", 80, 57, 1, 0}, {"tiny", 30, 40, 1, 0}};
  return plot;
}

TEST(Pareto, FrontHoldsWhatNoOtherBeats) {
  EXPECT_EQ(front(plot(), 0), (std::vector<std::size_t>{3, 1, 0}));
  ParetoPlot fast = plot();
  fast.x_high_is_better = true;
  EXPECT_EQ(front(fast, 0), (std::vector<std::size_t>{0}));
  ParetoPlot loss = plot();  // perplexity: low is better
  loss.y_high_is_better = false;
  EXPECT_EQ(front(loss, 0), (std::vector<std::size_t>{3}));
  EXPECT_TRUE(front(plot(), 1).empty());
}

TEST(Pareto, EqualPointsDoNotBeatEachOther) {
  ParetoPlot same = plot();
  same.points = {{"a", 1, 1, 0, 0}, {"b", 1, 1, 0, 0}};
  EXPECT_EQ(front(same, 0).size(), 2u);
}

TEST(Pareto, AFewBytesMakeNoSmallerFile) {
  ParetoPlot close = plot();
  close.points = {{"by a name", 88.2022, 41, 0, 0}, {"better", 88.2023, 44, 0, 0}, {"larger", 91, 45, 0, 0}};
  EXPECT_EQ(front(close, 0), (std::vector<std::size_t>{1, 2}));
}

TEST(Pareto, NoSpeedIsBelowZero) {
  ParetoPlot picture = plot();
  picture.points = {{"slow", 7, 50, 0, 0}, {"fast", 219, 55, 0, 0}};
  const std::string svg = draw(picture);
  EXPECT_EQ(svg.find(">-"), std::string::npos);
  EXPECT_NE(svg.find(">0</text>"), std::string::npos);
}

TEST(Pareto, DrawsEveryFinitePoint) {
  ParetoPlot picture = plot();
  picture.points.push_back({"lost", NAN, 1, 0, 0});
  picture.points.push_back({"<b>", 70, 55, 0, 0});
  const std::string svg = draw(picture);
  for (const char* part : {"<svg ", "</svg>", ">big</text>", ">tiny</text>", "T &amp; co", "&lt;b&gt;"})
    EXPECT_NE(svg.find(part), std::string::npos) << part;
  EXPECT_EQ(svg.find("lost"), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
}

TEST(Pareto, TheReferenceIsALineThatFits) {
  ParetoPlot picture = plot();
  picture.reference = {90, "original: 9 MB"};
  const std::string svg = draw(picture);
  EXPECT_NE(svg.find(">original: 9 MB</text>"), std::string::npos);
  EXPECT_NE(svg.find(">100</text>"), std::string::npos);  // a tick: the axis reaches beyond it
}

TEST(Pareto, OnePointAndNone) {
  ParetoPlot picture = plot();
  picture.points.resize(1);
  EXPECT_EQ(draw(picture).find("nan"), std::string::npos);
  EXPECT_EQ(draw(picture).find("inf"), std::string::npos);
  picture.points.clear();
  EXPECT_NE(draw(picture).find("</svg>"), std::string::npos);
}

}  // namespace
}  // namespace hearth::report
