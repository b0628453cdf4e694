#include "server/core/kernel_density.h"

#include <algorithm>
#include <cmath>

namespace halving {
namespace {

constexpr double kLeastBandwidth = 1e-3;
constexpr int kMaxRedraws = 16;

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
      bandwidths_.push_back(std::max(kLeastBandwidth, uniform * std::pow(n, -2 / (d + 4))));
    } else {
      const double rule = 1.06 * Spread(points_, i) * std::pow(n, -1 / (d + 4));
      bandwidths_.push_back(std::max(kLeastBandwidth, rule));
    }
  }
}

double KernelDensity::At(const Point& point) const {
  double sum = 0;
  for (const Point* center : points_) {
    double exponent = 0;
    double factor = 1;
    for (size_t i = 0; i < point.size(); ++i) {
      const double at = (*center)[i];
      if (at == kInactive) continue;
      if (choices_[i] > 0) {
        const bool same = ChoiceAt(at, choices_[i]) == ChoiceAt(point[i], choices_[i]);
        const double others = std::max(1.0, choices_[i] - 1);
        factor *= same ? 1 - bandwidths_[i] : bandwidths_[i] / others;
      } else {
        const double z = (point[i] - at) / bandwidths_[i];
        exponent -= z * z / 2;
        factor /= bandwidths_[i] * 2.5066282746310002;  // The root of 2 pi.
      }
    }
    sum += factor * std::exp(exponent);
  }
  return sum / static_cast<double>(points_.size());
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
