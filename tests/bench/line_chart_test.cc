#include "bench/simulate/line_chart.h"

#include <cmath>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace halving {
namespace {

using testing::HasSubstr;
using testing::Not;

LineChart SmallChart() {
  return {.title = "A <title>",
          .note = "3 runs",
          .x_label = "epochs",
          .y_label = "regret",
          .log_x = true,
          .log_y = true,
          .names = {"one", "two"},
          .panels = {{"first", {{"one", {{1, 1}, {10, 0.1}}}, {"two", {{1, 0.5}, {10, 0.01}}}}},
                     {"second", {{"two", {{1, 1}, {100, 0.001}}}}}}};
}

TEST(LineChartTest, HoldsAllThatIsToBeRead) {
  const std::string svg = RenderLineChart(SmallChart());
  for (const char* text : {"A &lt;title&gt;", "3 runs", ">epochs<", ">regret<", ">one<", ">two<",
                           ">first<", ">second<", ">0.01<", "prefers-color-scheme: dark"}) {
    EXPECT_THAT(svg, HasSubstr(text));
  }
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
  EXPECT_EQ(svg, RenderLineChart(SmallChart()));
}

TEST(LineChartTest, WhatALogAxisCannotShowIsLeftOut) {
  LineChart chart = SmallChart();
  chart.panels = {{"p", {{"one", {{1, 0}, {2, NAN}, {0, 1}}}}}};
  const std::string svg = RenderLineChart(chart);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
}

TEST(LineChartTest, ALinearAxisStartsAtZero) {
  LineChart chart = SmallChart();
  chart.log_x = chart.log_y = false;
  EXPECT_THAT(RenderLineChart(chart), HasSubstr(">0<"));
}

TEST(LineChartTest, NothingToDrawIsNoFailure) {
  EXPECT_THAT(RenderLineChart({.title = "empty"}), HasSubstr("</svg>"));
  EXPECT_THAT(RenderLineChart({.title = "empty", .panels = {{"p", {}}}}), HasSubstr("</svg>"));
}

}  // namespace
}  // namespace halving
