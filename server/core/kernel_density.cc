#include "server/core/kernel_density.h"

#include <algorithm>
#include <cmath>

#include "server/core/normal.h"

namespace halving {
namespace {

// Without a floor that goes with their number, a first cluster of good points draws all that
// follow.
constexpr double kMostPoints = 100;
double LeastBandwidth(double points) { return 0.5 / std::min(kMostPoints, points + 1); }
constexpr int kMaxRedraws = 16;
constexpr double kMostOther = 0.999;  // The chance of another choice, at most.

// The interval of a choice that a coordinate is in.
double ChoiceAt(double u, double choices) { return std::floor(u * choices); }

// Normal, cut off at the walls of the cube.
double DrawNear(double center, double width, Draws* draws) {
  for (int i = 0; i < kMaxRedraws; ++i) {
    const double x = center + width * draws->Normal();
    if (x >= 0 && x < 1) return x;
  }
  return draws->Unit();
}

// Standard deviation of the coordinates that exist.
double Spread(const std::vector<const Point*>& points, size_t i) {
  double count = 0;
  double sum = 0;
  double squares = 0;
  for (const Point* point : points) {
    const double x = (*point)[i];
    if (x == kInactive) continue;
    count += 1;
    sum += x;
    squares += x * x;
  }
  if (count == 0) return 0;
  const double mean = sum / count;
  return std::sqrt(std::max(0.0, squares / count - mean * mean));
}

}  // namespace

KernelDensity::KernelDensity(const SearchSpace& space, std::vector<const Point*> points)
    : points_(std::move(points)) {
  const auto n = static_cast<double>(points_.size());
  const auto d = static_cast<double>(space.parameters().size());
  for (size_t i = 0; i < space.parameters().size(); ++i) {
    const auto choices = static_cast<double>(ChoicesOf(space.parameters()[i]));
    choices_.push_back(choices);
    if (choices > 0) {
      const double uniform = (choices - 1) / choices;
      bandwidths_.push_back(std::max(LeastBandwidth(n), uniform * std::pow(n, -2 / (d + 4))));
    } else {
      const double rule = 1.06 * Spread(points_, i) * std::pow(n, -1 / (d + 4));
      bandwidths_.push_back(std::max(LeastBandwidth(n), rule));
    }
  }
  for (size_t i = 0; i < choices_.size(); ++i) {
    log_same_.push_back(std::log(1 - std::min(bandwidths_[i], kMostOther)));
    log_other_.push_back(std::log(bandwidths_[i] / std::max(1.0, choices_[i] - 1)));
  }
  for (const Point* center : points_) log_factors_.push_back(LogFactorOf(*center));
}

double KernelDensity::LogFactorOf(const Point& center) const {
  double factor = 0;
  for (size_t i = 0; i < center.size(); ++i) {
    if (center[i] == kInactive || choices_[i] > 0) continue;
    const double inside = NormalCumulative((1 - center[i]) / bandwidths_[i]) -
                          NormalCumulative(-center[i] / bandwidths_[i]);
    factor -= std::log(bandwidths_[i] * kRootOfTwoPi * inside);
  }
  return factor;
}

double KernelDensity::LogKernel(size_t p, const Point& point) const {
  double log = log_factors_[p];
  const Point& center = *points_[p];
  for (size_t i = 0; i < point.size(); ++i) {
    if (center[i] == kInactive) continue;
    if (choices_[i] > 0) {
      const bool same = ChoiceAt(center[i], choices_[i]) == ChoiceAt(point[i], choices_[i]);
      log += same ? log_same_[i] : log_other_[i];
    } else {
      const double z = (point[i] - center[i]) / bandwidths_[i];
      log -= z * z / 2;
    }
  }
  return log;
}

double KernelDensity::LogAt(const Point& point) const {
  // Of many parameters a density is beyond what a double holds; its logarithm is not.
  std::vector<double> logs;
  for (size_t p = 0; p < points_.size(); ++p) logs.push_back(LogKernel(p, point));
  const double most = *std::max_element(logs.begin(), logs.end());
  double sum = 0;
  for (const double log : logs) sum += std::exp(log - most);
  return most + std::log(sum / static_cast<double>(points_.size()));
}

Point KernelDensity::Draw(Draws* draws, double wider) const {
  Point point = *points_[static_cast<size_t>(draws->Below(static_cast<int64_t>(points_.size())))];
  for (size_t i = 0; i < point.size(); ++i) {
    if (point[i] == kInactive) {
      point[i] = draws->Unit();
    } else if (choices_[i] > 0) {
      if (draws->Unit() < bandwidths_[i]) point[i] = draws->Unit();
    } else {
      point[i] = DrawNear(point[i], wider * bandwidths_[i], draws);
    }
  }
  return point;
}

}  // namespace halving
