#include "cli/plot_data.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

namespace halving {
namespace {

constexpr size_t kLeading = 10;  // The best of a rung, which are shown whatever the cap.

bool IsOut(v1::TrialState state) {
  return state == v1::TRIAL_STATE_ELIMINATED || state == v1::TRIAL_STATE_FAILED ||
         state == v1::TRIAL_STATE_STOPPED;
}

// Higher rung, then lower error, then lower id: the order of the best.
bool IsBetter(const PlotTrial& a, const PlotTrial& b) {
  if (a.rung != b.rung) return a.rung > b.rung;
  const double error_a = a.results.back().error;
  const double error_b = b.results.back().error;
  if (error_a != error_b) return error_a < error_b;
  return a.trial->id() < b.trial->id();
}

// At most `cap` of the indices below `size`, ascending: the first ones, then evenly up to the last.
std::vector<size_t> Sample(size_t size, size_t cap) {
  const size_t kept = std::min(size, cap);
  const size_t half = std::max<size_t>(1, kept / 2);
  const size_t leading = size == kept ? kept : std::min(half, kLeading);
  std::vector<size_t> indices;
  for (size_t i = 0; i < leading; ++i) indices.push_back(i);
  for (size_t i = 0; i < kept - leading; ++i) {
    indices.push_back(size - 1 - (kept - leading - 1 - i) * (size - leading) / (kept - leading));
  }
  return indices;
}

std::vector<PlotPoint> CurveOf(const v1::Trial& trial, bool log) {
  std::vector<PlotPoint> curve;
  for (const v1::CurvePoint& point : trial.curve()) {
    if (!std::isfinite(point.error()) || (log && point.error() <= 0)) continue;
    curve.push_back({static_cast<double>(point.epoch()), point.error()});
  }
  return curve;
}

}  // namespace

PlotData SelectPlotData(const std::vector<v1::Trial>& trials, size_t cap, bool log) {
  PlotData data;
  std::map<int64_t, int64_t> results_at;
  std::vector<PlotTrial> all;
  for (const v1::Trial& trial : trials) {
    PlotTrial drawn{.trial = &trial, .curve = CurveOf(trial, log), .out = IsOut(trial.state())};
    for (const v1::RungResult& result : trial.results()) {
      if (!std::isfinite(result.error())) {
        ++data.diverged;
      } else if (log && result.error() <= 0) {
        ++data.not_positive;
      } else {
        ++results_at[result.epochs()];
        drawn.results.push_back({static_cast<double>(result.epochs()), result.error()});
      }
    }
    if (!drawn.results.empty()) all.push_back(std::move(drawn));
  }
  for (const auto& [epochs, count] : results_at) {
    data.rungs.push_back(epochs);
    data.results_at.push_back(count);
  }
  std::vector<std::vector<PlotTrial>> by_rung(data.rungs.size());
  for (PlotTrial& drawn : all) {
    const auto last = static_cast<int64_t>(drawn.results.back().epochs);
    drawn.rung = static_cast<size_t>(std::lower_bound(data.rungs.begin(), data.rungs.end(), last) -
                                     data.rungs.begin());
    by_rung[drawn.rung].push_back(std::move(drawn));
  }
  for (std::vector<PlotTrial>& group : by_rung) {
    std::sort(group.begin(), group.end(), IsBetter);
    const std::vector<size_t> kept = Sample(group.size(), cap);
    data.left_out += static_cast<int64_t>(group.size() - kept.size());
    for (auto at = kept.rbegin(); at != kept.rend(); ++at) {
      data.trials.push_back(std::move(group[*at]));
    }
  }
  return data;
}

}  // namespace halving
