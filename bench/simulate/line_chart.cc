#include "bench/simulate/line_chart.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"

namespace halving {
namespace {

// In pixels.
constexpr double kPanelWidth = 300;
constexpr double kPanelHeight = 190;
constexpr double kLeft = 62;  // Of a panel, for its labels.
constexpr double kGapRight = 22;
constexpr double kAbove = 34;  // For its title.
constexpr double kBelow = 48;
constexpr double kMargin = 20;
constexpr double kHead = 76;  // Title and note.
constexpr double kLegendLine = 24;
constexpr double kLegendEntry = 128;
constexpr size_t kMostColumns = 3;
constexpr size_t kColors = 6;

// Okabe and Ito's colours, which colour-blind people can tell apart; on a dark page, lighter ones
// of the same hues. Dashes tell them apart in print.
constexpr absl::string_view kStyle = R"(<style>
.page { fill: #ffffff } .ink { fill: #1f2328 } .soft { fill: #59636e }
.grid { stroke: #e4e7eb } .frame { stroke: #8b949e; fill: none }
.line { fill: none; stroke-width: 2; stroke-linejoin: round }
.c0 { stroke: #1f2328 } .c1 { stroke: #0072b2 } .c2 { stroke: #d55e00 }
.c3 { stroke: #009e73 } .c4 { stroke: #b0568a } .c5 { stroke: #b07800 }
.c0 { stroke-dasharray: 5 3 } .c3 { stroke-dasharray: 9 3 }
.c4 { stroke-dasharray: 2 3 } .c5 { stroke-dasharray: 9 3 2 3 }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117 } .ink { fill: #e6edf3 } .soft { fill: #9198a1 }
.grid { stroke: #262c36 } .frame { stroke: #656c76 }
.c0 { stroke: #e6edf3 } .c1 { stroke: #58a6ff } .c2 { stroke: #ff8f4d }
.c3 { stroke: #3fd1a0 } .c4 { stroke: #e89bc4 } .c5 { stroke: #e6b422 }
}
</style>
)";

std::string Escape(absl::string_view text) {
  return absl::StrReplaceAll(text,
                             {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}});
}

struct Range {
  double min = std::numeric_limits<double>::infinity();
  double max = -std::numeric_limits<double>::infinity();

  void Add(double value) {
    min = std::min(min, value);
    max = std::max(max, value);
  }
};

// Values to pixels.
struct Axis {
  Range range;
  bool log = false;
  double from = 0;
  double to = 0;

  double operator()(double value) const {
    const double part = log ? std::log(value / range.min) / std::log(range.max / range.min)
                            : (value - range.min) / (range.max - range.min);
    return from + part * (to - from);
  }
};

// 1, 2 or 5 times a power of ten, so that about `count` of them fit.
double NiceStep(double span, int count) {
  const double rough = span / count;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough * 0.999) return factor * power;
  }
  return 10 * power;
}

// The next such number at `value` or below.
double NiceBelow(double value) {
  const double power = std::pow(10, std::floor(std::log10(value)));
  for (const double factor : {5.0, 2.0}) {
    if (factor * power <= value * 1.001) return factor * power;
  }
  return power;
}

std::vector<double> Ticks(const Range& range, bool log) {
  std::vector<double> ticks;
  if (!log) {
    const double step = NiceStep(range.max - range.min, 5);
    for (double at = std::ceil(range.min / step - 1e-9); at * step <= range.max * (1 + 1e-9);
         ++at) {
      ticks.push_back(at * step);
    }
    return ticks;
  }
  const bool fine = range.max / range.min < 300;
  for (double power = std::floor(std::log10(range.min) + 1e-9);
       power <= std::log10(range.max) + 1e-9; ++power) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double tick = factor * std::pow(10, power);
      const bool inside = tick >= range.min * (1 - 1e-9) && tick <= range.max * (1 + 1e-9);
      if (inside && (fine || factor == 1.0)) ticks.push_back(tick);
    }
  }
  return ticks;
}

std::string TickLabel(double tick) {
  if (std::fabs(tick) >= 10'000) return absl::StrFormat("%gk", tick / 1000);
  return absl::StrFormat("%g", std::fabs(tick) < 1e-12 ? 0 : tick);
}

// Writes one chart. Thread-compatible: RenderLineChart's own.
class ChartWriter {
 public:
  explicit ChartWriter(const LineChart& chart) : chart_(chart) {
    const size_t panels = chart.panels.size();
    columns_ = panels == 4 ? 2 : std::clamp<size_t>(panels, 1, kMostColumns);
    rows_ = (chart.panels.size() + columns_ - 1) / columns_;
    width_ = 2 * kMargin + static_cast<double>(columns_) * (kLeft + kPanelWidth + kGapRight);
    legend_columns_ = static_cast<size_t>((width_ - 2 * kMargin - kLeft) / kLegendEntry);
    const size_t lines = (chart.names.size() + legend_columns_ - 1) / legend_columns_;
    head_ = kHead + static_cast<double>(lines) * kLegendLine;
    height_ = head_ + static_cast<double>(rows_) * (kAbove + kPanelHeight + kBelow) + kMargin;
  }

  std::string Write() {
    absl::StrAppendFormat(&svg_,
                          "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%g\" height=\"%g\" "
                          "viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"%s\" "
                          "font-family=\"system-ui, -apple-system, 'Segoe UI', Roboto, "
                          "'Helvetica Neue', Arial, sans-serif\">\n",
                          width_, height_, width_, height_, Escape(chart_.title));
    absl::StrAppend(&svg_, kStyle);
    absl::StrAppendFormat(&svg_, "<rect class=\"page\" width=\"%g\" height=\"%g\" rx=\"8\"/>\n",
                          width_, height_);
    Text(kMargin + kLeft, 38, chart_.title, 18, "ink", "font-weight=\"600\"");
    Text(kMargin + kLeft, 60, chart_.note, 12, "soft");
    Legend();
    for (size_t i = 0; i < chart_.panels.size(); ++i) Panel(i);
    absl::StrAppend(&svg_, "</svg>\n");
    return std::move(svg_);
  }

 private:
  void Text(double x, double y, absl::string_view text, double size, absl::string_view ink,
            absl::string_view attributes = "") {
    absl::StrAppendFormat(
        &svg_, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%g\" class=\"%s\"%s%s>%s</text>\n", x, y,
        size, ink, attributes.empty() ? "" : " ", attributes, Escape(text));
  }

  void Rule(double x1, double y1, double x2, double y2) {
    absl::StrAppendFormat(
        &svg_, "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", x1, y1,
        x2, y2);
  }

  size_t ColorOf(const std::string& name) const {
    const auto at = std::find(chart_.names.begin(), chart_.names.end(), name);
    return static_cast<size_t>(at - chart_.names.begin()) % kColors;
  }

  void Legend() {
    for (size_t i = 0; i < chart_.names.size(); ++i) {
      const double x = kMargin + kLeft + static_cast<double>(i % legend_columns_) * kLegendEntry;
      const double y = kHead + static_cast<double>(i / legend_columns_) * kLegendLine + 8;
      absl::StrAppendFormat(&svg_, "<path class=\"line c%d\" d=\"M%.1f %.1fh28\"/>\n",
                            ColorOf(chart_.names[i]), x, y);
      Text(x + 36, y + 4, chart_.names[i], 12, "ink");
    }
  }

  bool IsDrawn(const std::pair<double, double>& point) const {
    return std::isfinite(point.first) && std::isfinite(point.second) &&
           (!chart_.log_x || point.first > 0) && (!chart_.log_y || point.second > 0);
  }

  void AddTo(const ChartPanel& panel, Range* x, Range* y) const {
    for (const ChartLine& line : panel.lines) {
      for (const auto& point : line.points) {
        if (!IsDrawn(point)) continue;
        x->Add(point.first);
        y->Add(point.second);
      }
    }
  }

  static Range Widened(Range range, bool log) {
    if (range.min > range.max) range = log ? Range{0.1, 1} : Range{0, 1};
    if (!log) range.min = std::min(range.min, 0.0);
    if (range.min == range.max) range.max = log ? 2 * range.min : range.min + 1;
    return range;
  }

  // Out to numbers that are labelled, so that there are two at least.
  static Range Rounded(Range range, bool log) {
    return log ? Range{NiceBelow(range.min), NiceStep(range.max, 1)} : range;
  }

  void Panel(size_t index) {
    const ChartPanel& panel = chart_.panels[index];
    const double left =
        kMargin + kLeft + static_cast<double>(index % columns_) * (kLeft + kPanelWidth + kGapRight);
    const double top =
        head_ + kAbove + static_cast<double>(index / columns_) * (kAbove + kPanelHeight + kBelow);
    Range x_range;
    Range y_range;
    AddTo(panel, &x_range, &y_range);
    for (const ChartPanel& other : chart_.panels) {
      Range ignored;
      if (chart_.shared_y) AddTo(other, &ignored, &y_range);
    }
    const Axis x{Widened(x_range, chart_.log_x), chart_.log_x, left, left + kPanelWidth};
    const Axis y{Rounded(Widened(y_range, chart_.log_y), chart_.log_y), chart_.log_y,
                 top + kPanelHeight, top};
    Axes(panel, x, y);
    for (const ChartLine& line : panel.lines) Draw(line, x, y);
  }

  void Axes(const ChartPanel& panel, const Axis& x, const Axis& y) {
    Text(x.from, y.to - 10, panel.title, 13, "ink", "font-weight=\"600\"");
    for (const double tick : Ticks(y.range, y.log)) {
      Rule(x.from, y(tick), x.to, y(tick));
      Text(x.from - 7, y(tick) + 4, TickLabel(tick), 11, "soft", "text-anchor=\"end\"");
    }
    for (const double tick : Ticks(x.range, x.log)) {
      Rule(x(tick), y.from, x(tick), y.to);
      Text(x(tick), y.from + 15, TickLabel(tick), 11, "soft", "text-anchor=\"middle\"");
    }
    absl::StrAppendFormat(&svg_, "<path class=\"frame\" d=\"M%.1f %.1fV%.1fH%.1f\"/>\n", x.from,
                          y.to, y.from, x.to);
    Text((x.from + x.to) / 2, y.from + 32, chart_.x_label, 11.5, "ink", "text-anchor=\"middle\"");
    const double middle = (y.from + y.to) / 2;
    Text(x.from - 48, middle, chart_.y_label, 11.5, "ink",
         absl::StrFormat("text-anchor=\"middle\" transform=\"rotate(-90 %.1f %.1f)\"", x.from - 48,
                         middle));
  }

  void Draw(const ChartLine& line, const Axis& x, const Axis& y) {
    std::string path;
    for (const auto& point : line.points) {
      if (!IsDrawn(point)) continue;
      absl::StrAppendFormat(&path, "%s%.1f %.1f", path.empty() ? "M" : "L", x(point.first),
                            y(point.second));
    }
    if (path.empty()) return;
    absl::StrAppendFormat(&svg_, "<path class=\"line c%d\" d=\"%s\"><title>%s</title></path>\n",
                          ColorOf(line.name), path, Escape(line.name));
  }

  const LineChart& chart_;
  size_t columns_ = 1;
  size_t rows_ = 1;
  size_t legend_columns_ = 1;
  double width_ = 0;
  double head_ = 0;
  double height_ = 0;
  std::string svg_;
};

}  // namespace

std::string RenderLineChart(const LineChart& chart) { return ChartWriter(chart).Write(); }

}  // namespace halving
