#include "cli/svg_plot.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "cli/names.h"
#include "cli/plot_data.h"
#include "cli/plot_scale.h"
#include "cli/text.h"

namespace halving {
namespace {

// The page, in pixels.
constexpr double kWidth = 1040;
constexpr double kHeight = 620;
constexpr double kLeft = 84;
constexpr double kRight = 770;
constexpr double kTop = 92;
constexpr double kBottom = 526;
constexpr double kLegendLeft = 796;
constexpr double kLegendRight = 1012;
constexpr double kLegendLine = 23;
constexpr double kCharWidth = 6.6;  // About, at 12 pixels.

constexpr double kLogEpochsRatio = 16;  // A ladder longer than this gets a logarithmic epoch axis.
constexpr double kWideErrors = 20;      // Errors this far apart would be told apart by --log.
constexpr size_t kLegendTrials = 8;
constexpr double kCrowd = 80;     // Beyond so many trials, lines and dots get finer.
constexpr size_t kMaxText = 300;  // Characters of a config in a hover text.

constexpr absl::string_view kInk = "#1f2328";
constexpr absl::string_view kSoftInk = "#59636e";
constexpr absl::string_view kGrid = "#e4e7eb";

// Okabe and Ito's colours, which colour-blind people can tell apart, then Tol's of the same kind.
// Yellows are left out: they vanish on white.
constexpr absl::string_view kPalette[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                          "#e69f00", "#56b4e9", "#882255", "#117733",
                                          "#332288", "#999933", "#aa4499", "#44aa99"};

absl::string_view ColorOf(size_t rank) { return kPalette[rank % std::size(kPalette)]; }

struct Look {
  double width = 1;
  double opacity = 1;
  double radius = 3;
};

// Stronger the further it went; those that are out stand back. `fine` (0 to 1) thins all but the
// best.
Look LookOf(const PlotTrial& drawn, size_t rungs, bool best, double fine) {
  if (best) return {3.6, 1, 5.5};
  const double part =
      rungs <= 1 ? 1 : static_cast<double>(drawn.rung) / (static_cast<double>(rungs) - 1);
  if (drawn.out) return {(1.2 + 0.5 * part) * fine, 0.5 + 0.2 * part, (3.1 + 0.5 * part) * fine};
  return {(1.8 + 0.9 * part) * fine, 0.8 + 0.15 * part, (3.4 + 0.8 * part) * fine};
}

double FinenessFor(size_t trials) {
  return std::pow(kCrowd / std::max(kCrowd, static_cast<double>(trials)), 0.35);
}

// Writes one picture. Thread-compatible: RenderSvg's own.
class SvgWriter {
 public:
  SvgWriter(const v1::Study& study, const std::vector<v1::Trial>& trials, const PlotData& data,
            const PlotOptions& options)
      : study_(study),
        trials_(trials),
        data_(data),
        options_(options),
        epochs_(EpochScale(study, data)),
        errors_(ErrorScale(data, options.log)) {}

  std::string Write() {
    Open();
    Axes();
    for (size_t i = 0; i < data_.trials.size(); ++i) Draw(i);
    if (data_.trials.empty()) {
      Text((kLeft + kRight) / 2, (kTop + kBottom) / 2, "No results yet", 16, kSoftInk,
           "text-anchor=\"middle\"");
    } else {
      LabelBest();
      Legend();
    }
    Notes();
    absl::StrAppend(&svg_, "</svg>\n");
    return std::move(svg_);
  }

 private:
  static Scale EpochScale(const v1::Study& study, const PlotData& data) {
    const v1::Halving& rule = study.spec().halving();
    double min = std::max<double>(1, static_cast<double>(rule.min_epochs()));
    double max = std::max<double>(min, static_cast<double>(rule.max_epochs()));
    if (!data.rungs.empty()) {
      min = std::min(min, std::max<double>(1, static_cast<double>(data.rungs.front())));
      max = std::max(max, static_cast<double>(data.rungs.back()));
    }
    for (const PlotTrial& drawn : data.trials) {
      if (!drawn.curve.empty()) min = std::min(min, std::max(1.0, drawn.curve.front().epochs));
    }
    const double margin = 26;  // Between the frame and the outermost rungs.
    return Scale(min, max, kLeft + margin, kRight - margin, max / min > kLogEpochsRatio);
  }

  static Scale ErrorScale(const PlotData& data, bool log) {
    if (data.trials.empty()) return Scale(log ? 0.1 : 0, 1, kBottom, kTop, log);
    double min = data.trials.front().results.front().error;
    double max = min;
    for (const PlotTrial& drawn : data.trials) {
      for (const auto* points : {&drawn.results, &drawn.curve}) {
        for (const PlotPoint& point : *points) {
          min = std::min(min, point.error);
          max = std::max(max, point.error);
        }
      }
    }
    // Below is room for the best trial's label.
    if (log) {
      const double ratio = std::max(max / min, 1.01);
      return Scale(min / std::pow(ratio, 0.1), max * std::pow(ratio, 0.05), kBottom, kTop, true);
    }
    const double span = max / 2 - min / 2 > 0 ? max - min : std::fabs(max) / 5 + 1e-3;
    if (!std::isfinite(span)) return Scale(min, max, kBottom, kTop, false);
    return Scale(min - 0.1 * span, max + 0.05 * span, kBottom, kTop, false);
  }

  // Rank among the drawn, 0 for the best.
  size_t RankOf(size_t index) const { return data_.trials.size() - 1 - index; }

  void Text(double x, double y, absl::string_view text, double size, absl::string_view color,
            absl::string_view attributes = "") {
    absl::StrAppendFormat(
        &svg_, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%g\" fill=\"%s\"%s%s>%s</text>\n", x, y,
        size, color, attributes.empty() ? "" : " ", attributes, XmlEscape(std::string(text)));
  }

  void Line(double x1, double y1, double x2, double y2, absl::string_view color, double width,
            absl::string_view attributes = "") {
    absl::StrAppendFormat(&svg_,
                          "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" "
                          "stroke-width=\"%.3g\"%s%s/>\n",
                          x1, y1, x2, y2, color, width, attributes.empty() ? "" : " ", attributes);
  }

  void Open() {
    const v1::StudySpec& spec = study_.spec();
    absl::StrAppendFormat(
        &svg_,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%g\" height=\"%g\" "
        "viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"%s\" font-family=\"system-ui, "
        "-apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif\">\n",
        kWidth, kHeight, kWidth, kHeight,
        XmlEscape(absl::StrCat("Validation errors of study ", spec.name(), " over epochs")));
    absl::StrAppendFormat(&svg_,
                          "<rect x=\"0.5\" y=\"0.5\" width=\"%g\" height=\"%g\" rx=\"10\" "
                          "fill=\"#ffffff\" stroke=\"#d1d9e0\"/>\n",
                          kWidth - 1, kHeight - 1);
    Text(kLeft, 42, spec.name(), 22, kInk, "font-weight=\"600\"");
    int64_t results = 0;
    for (const v1::Trial& trial : trials_) results += trial.results_size();
    const std::string line =
        absl::StrCat("objective ", spec.objective(), " · ", StateName(study_.state()), " · ",
                     Plural(static_cast<int64_t>(trials_.size()), "trial"), ", ",
                     Plural(results, "result"), " · ", DescribeRule(spec.halving()));
    Text(kLeft, 66, ClipToWidth(Printable(line), 130, true), 13, kSoftInk);
  }

  // `last_label_end`: where the label before ends, in pixels; raised to the end of this one.
  void RungTick(int64_t epochs, int64_t results, double* last_label_end) {
    const double x = epochs_(static_cast<double>(epochs));
    Line(x, kTop, x, kBottom, "#d1d9e0", 1, "stroke-dasharray=\"3 4\"");
    Line(x, kBottom, x, kBottom + 5, kSoftInk, 1);
    const std::string count = Plural(results, "result");
    const double half = static_cast<double>(count.size()) * kCharWidth / 2;
    if (x - half < *last_label_end + 4) return;  // It would touch the one before.
    *last_label_end = x + half;
    Text(x, kBottom + 21, absl::StrCat(epochs), 12, kInk,
         "text-anchor=\"middle\" font-weight=\"600\"");
    Text(x, kBottom + 36, count, 11, kSoftInk, "text-anchor=\"middle\"");
  }

  void Axes() {
    const std::vector<double> ticks = errors_.log() ? NiceLogTicks(errors_.min(), errors_.max())
                                                    : NiceTicks(errors_.min(), errors_.max(), 6);
    const std::vector<std::string> labels = TickLabels(ticks, errors_.log());
    for (size_t i = 0; i < ticks.size(); ++i) {
      const double y = errors_(ticks[i]);
      Line(kLeft, y, kRight, y, kGrid, 1);
      Text(kLeft - 10, y + 4, labels[i], 12, kSoftInk, "text-anchor=\"end\"");
    }
    double last_label_end = 0;
    for (size_t i = 0; i < data_.rungs.size(); ++i) {
      RungTick(data_.rungs[i], data_.results_at[i], &last_label_end);
    }
    // Where it is all going, before anybody is there.
    const int64_t top = study_.spec().halving().max_epochs();
    if (top > 0 && (data_.rungs.empty() || top > data_.rungs.back())) {
      RungTick(top, 0, &last_label_end);
    }
    Line(kLeft, kBottom, kRight, kBottom, kSoftInk, 1);
    Line(kLeft, kTop, kLeft, kBottom, kSoftInk, 1);
    Text((kLeft + kRight) / 2, kBottom + 58,
         absl::StrCat("epochs trained", epochs_.log() ? " (logarithmic)" : ""), 13, kInk,
         "text-anchor=\"middle\"");
    const double middle = (kTop + kBottom) / 2;
    Text(24, middle, absl::StrCat("validation error", errors_.log() ? " (logarithmic)" : ""), 13,
         kInk, absl::StrFormat("text-anchor=\"middle\" transform=\"rotate(-90 24 %g)\"", middle));
  }

  std::string HoverText(const PlotTrial& drawn) const {
    std::vector<std::string> results;
    for (const v1::RungResult& result : drawn.trial->results()) {
      results.push_back(absl::StrCat(FormatError(result.error()), " at ", result.epochs()));
    }
    std::string text = absl::StrCat("trial ", drawn.trial->id());
    if (drawn.trial->round() > 0) absl::StrAppend(&text, ", round ", drawn.trial->round());
    absl::StrAppend(&text, ", ", StateName(drawn.trial->state()), ": error ",
                    absl::StrJoin(results, ", "), " epochs");
    const std::string config = ClipToWidth(FormatConfig(drawn.trial->config()), kMaxText, true);
    return absl::StrCat(XmlEscape(text), "\n", XmlEscape(config));
  }

  void Draw(size_t index) {
    const PlotTrial& drawn = data_.trials[index];
    const bool best = RankOf(index) == 0;
    const Look look = LookOf(drawn, data_.rungs.size(), best, FinenessFor(data_.trials.size()));
    const absl::string_view color = ColorOf(RankOf(index));
    absl::StrAppendFormat(&svg_, "<g stroke=\"%s\" fill=\"%s\" opacity=\"%.2f\"><title>%s</title>",
                          color, color, look.opacity, HoverText(drawn));
    const std::vector<PlotPoint>& line = drawn.curve.empty() ? drawn.results : drawn.curve;
    if (line.size() > 1) {
      absl::StrAppendFormat(&svg_,
                            "<polyline fill=\"none\" stroke-width=\"%.1f\" "
                            "stroke-linejoin=\"round\" points=\"",
                            look.width);
      for (const PlotPoint& point : line) {
        absl::StrAppendFormat(&svg_, "%s%.1f,%.1f", &point == &line.front() ? "" : " ",
                              epochs_(std::max(point.epochs, epochs_.min())), errors_(point.error));
      }
      absl::StrAppend(&svg_, "\"/>");
    }
    for (const PlotPoint& point : drawn.results) {
      absl::StrAppendFormat(&svg_,
                            "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" stroke=\"#ffffff\" "
                            "stroke-width=\"%.3g\"/>",
                            epochs_(point.epochs), errors_(point.error), look.radius,
                            std::min(1.2, look.radius / 5));
    }
    absl::StrAppend(&svg_, "</g>\n");
  }

  void LabelBest() {
    const PlotTrial& best = data_.trials.back();
    const double x = epochs_(best.results.back().epochs);
    const double y = errors_(best.results.back().error);
    absl::StrAppendFormat(&svg_,
                          "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"10\" fill=\"none\" stroke=\"%s\" "
                          "stroke-width=\"1.8\"/>\n",
                          x, y, ColorOf(0));
    const std::string label = absl::StrCat("best: trial ", best.trial->id(), ", ",
                                           FormatError(best.results.back().error));
    // To the left of the point where there is room, and inside the frame.
    const bool left = x - kLeft > 8 * static_cast<double>(label.size());
    const double label_y = y + 27 < kBottom - 4 ? y + 27 : y - 17;
    Text(left ? x + 10 : x - 10, label_y, label, 14, ColorOf(0),
         absl::StrCat("text-anchor=\"", left ? "end" : "start",
                      "\" font-weight=\"700\" stroke=\"#ffffff\" stroke-width=\"4\" "
                      "stroke-linejoin=\"round\" paint-order=\"stroke\""));
  }

  void LegendKey(double y, absl::string_view color, const Look& look, absl::string_view text,
                 absl::string_view value) {
    absl::StrAppendFormat(&svg_, "<g opacity=\"%.2f\">", look.opacity);
    Line(kLegendLeft, y, kLegendLeft + 26, y, color, look.width);
    absl::StrAppendFormat(&svg_, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\"/></g>\n",
                          kLegendLeft + 13, y, look.radius, color);
    Text(kLegendLeft + 36, y + 4, text, 12, kInk);
    if (!value.empty()) {
      Text(kLegendRight, y + 4, value, 12, kInk,
           "text-anchor=\"end\" style=\"font-variant-numeric: tabular-nums\"");
    }
  }

  void Legend() {
    double y = kTop + 6;
    Text(kLegendLeft, y, "Furthest, then best", 12, kSoftInk, "font-weight=\"600\"");
    const size_t total = data_.trials.size();
    const size_t listed = std::min(kLegendTrials, total);
    for (size_t rank = 0; rank < listed; ++rank) {
      const PlotTrial& drawn = data_.trials[total - 1 - rank];
      y += kLegendLine;
      LegendKey(y, ColorOf(rank), LookOf(drawn, data_.rungs.size(), rank == 0, 1),
                absl::StrCat("trial ", drawn.trial->id()),
                absl::StrCat(FormatError(drawn.results.back().error), " at ",
                             drawn.results.back().epochs));
    }
    if (total > listed) {
      y += kLegendLine;
      Text(kLegendLeft + 36, y + 4, absl::StrCat("and ", total - listed, " more drawn"), 12,
           kSoftInk);
    }
    y += kLegendLine * 1.7;
    Text(kLegendLeft, y, "Lines", 12, kSoftInk, "font-weight=\"600\"");
    LegendKey(y += kLegendLine, "#59636e", {1.3, 0.55, 3.2}, "eliminated or ended", "");
    LegendKey(y += kLegendLine, "#59636e", {2.5, 0.95, 4}, "still in, or completed", "");
    LegendKey(y += kLegendLine, ColorOf(0), {3.6, 1, 5.5}, "best so far", "");
  }

  void Notes() {
    std::vector<std::string> notes;
    if (data_.diverged > 0) {
      notes.push_back(
          absl::StrCat(Plural(data_.diverged, "diverged result"), " (NaN or infinite) not drawn"));
    }
    if (data_.not_positive > 0) {
      notes.push_back(absl::StrCat(Plural(data_.not_positive, "result"),
                                   " of 0 or less not drawn on a logarithmic axis"));
    }
    if (data_.left_out > 0) {
      notes.push_back(absl::StrCat(Plural(data_.left_out, "trial"), " not drawn: at most ",
                                   options_.trials_per_rung, " that ended at one rung"));
    }
    if (!errors_.log() && ErrorsSpreadWide()) {
      notes.push_back("the errors lie far apart: --log shows the low ones better");
    }
    if (notes.empty()) return;
    Text(kLeft, kHeight - 14, absl::StrCat("Note: ", absl::StrJoin(notes, "; "), "."), 11.5,
         kSoftInk);
  }

  bool ErrorsSpreadWide() const {
    double min = 0;
    double max = 0;
    for (const PlotTrial& drawn : data_.trials) {
      for (const PlotPoint& point : drawn.results) {
        if (point.error <= 0) return false;
        min = min == 0 ? point.error : std::min(min, point.error);
        max = std::max(max, point.error);
      }
    }
    return max / kWideErrors > min;
  }

  const v1::Study& study_;
  const std::vector<v1::Trial>& trials_;
  const PlotData& data_;
  const PlotOptions& options_;
  const Scale epochs_;
  const Scale errors_;
  std::string svg_;
};

}  // namespace

std::string XmlEscape(const std::string& text) {
  return absl::StrReplaceAll(
      Printable(text),
      {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

std::string RenderSvg(const v1::Study& study, const std::vector<v1::Trial>& trials,
                      const PlotOptions& options) {
  const PlotData data = SelectPlotData(trials, options.trials_per_rung, options.log);
  return SvgWriter(study, trials, data, options).Write();
}

}  // namespace halving
