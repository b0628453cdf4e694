// What of a study's trials goes into a plot, and in which order.
#ifndef HALVING_CLI_PLOT_DATA_H_
#define HALVING_CLI_PLOT_DATA_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "halving/v1/study.pb.h"

namespace halving {

struct PlotPoint {
  double epochs = 0;
  double error = 0;  // Finite; positive on a logarithmic axis.
};

// One trial that is drawn.
struct PlotTrial {
  const v1::Trial* trial = nullptr;  // Not owned.
  std::vector<PlotPoint> results;    // At least one, by epochs.
  std::vector<PlotPoint> curve;      // Empty unless the trial came with its curve.
  size_t rung = 0;                   // Index in PlotData::rungs of the last result.
  bool out = false;                  // ELIMINATED, FAILED or STOPPED.
};

struct PlotData {
  std::vector<PlotTrial> trials;    // In drawing order: those that went far last, the best last.
  std::vector<int64_t> rungs;       // Epochs of every rung that has a result, from the lowest.
  std::vector<int64_t> results_at;  // Finite results at each of them, drawn or not.
  int64_t diverged = 0;             // Results with a NaN or infinite error.
  int64_t not_positive = 0;         // Results that a logarithmic axis cannot show.
  int64_t left_out = 0;             // Trials beyond the cap.
};

// At most `cap` (>= 1) trials for each rung at which trials ended up, so that a study of ten
// thousand trials stays a picture: the best ones, then others spread evenly over the ranks down to
// the worst. Pointers into `trials`.
PlotData SelectPlotData(const std::vector<v1::Trial>& trials, size_t cap, bool log);

}  // namespace halving

#endif  // HALVING_CLI_PLOT_DATA_H_
