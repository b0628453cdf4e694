// Line charts as SVG: small panels with one legend.
#ifndef HALVING_BENCH_SIMULATE_LINE_CHART_H_
#define HALVING_BENCH_SIMULATE_LINE_CHART_H_

#include <string>
#include <utility>
#include <vector>

namespace halving {

struct ChartLine {
  std::string name;  // One of the chart's.
  std::vector<std::pair<double, double>> points;
};

struct ChartPanel {
  std::string title;
  std::vector<ChartLine> lines;
};

struct LineChart {
  std::string title;
  std::string note;  // Below the title: what is shown, and of how many runs.
  std::string x_label;
  std::string y_label;
  bool log_x = false;  // Such axes leave out what is not above 0.
  bool log_y = false;
  bool shared_y = false;           // All panels have one y axis.
  std::vector<std::string> names;  // Of lines, in the legend's order.
  std::vector<ChartPanel> panels;
};

// A document of its own, with nothing loaded from elsewhere, readable on a light and a dark page.
// Equal charts give equal bytes.
std::string RenderLineChart(const LineChart& chart);

}  // namespace halving

#endif  // HALVING_BENCH_SIMULATE_LINE_CHART_H_
