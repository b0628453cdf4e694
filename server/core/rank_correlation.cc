#include "server/core/rank_correlation.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "server/core/trial.h"

namespace halving {
namespace {

// The rank of each value, from 0; equal ones share the mean of theirs.
std::vector<double> RanksOf(const std::vector<double>& values) {
  std::vector<double> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  std::vector<double> ranks;
  for (const double value : values) {
    const auto [first, last] = std::equal_range(sorted.begin(), sorted.end(), value);
    ranks.push_back(static_cast<double>((first - sorted.begin()) + (last - sorted.begin()) - 1) /
                    2);
  }
  return ranks;
}

}  // namespace

void RungPairs::Add(double lower_rung, double upper_rung) {
  pairs_.emplace_back(RankedError(lower_rung), RankedError(upper_rung));
  if (pairs_.size() > kMost) pairs_.pop_front();
}

std::optional<double> RungPairs::Correlation() const {
  if (pairs_.size() < kLeast) return std::nullopt;
  std::vector<double> lower;
  std::vector<double> upper;
  for (const auto& [below, above] : pairs_) {
    lower.push_back(below);
    upper.push_back(above);
  }
  const std::vector<double> x = RanksOf(lower);
  const std::vector<double> y = RanksOf(upper);
  const double mean = static_cast<double>(pairs_.size() - 1) / 2;
  double xy = 0;
  double xx = 0;
  double yy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mean) * (y[i] - mean);
    xx += (x[i] - mean) * (x[i] - mean);
    yy += (y[i] - mean) * (y[i] - mean);
  }
  if (xx == 0 || yy == 0) return std::nullopt;
  return xy / std::sqrt(xx * yy);
}

}  // namespace halving
