#include "server/core/gaussian_process.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace halving {
namespace {

constexpr double kOtherSquared = 0.25;  // The square of the distance between choices that differ.

Eigen::VectorXd VectorOf(const std::vector<double>& values) {
  return Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Eigen::Index>(values.size()));
}

}  // namespace

double Kernel::At(const Point& a, const Point& b) const {
  double squared = 0;
  for (size_t i = 0; i < lengths.size(); ++i) {
    double apart = 0;
    if (a[i] == b[i]) continue;
    if (is_choice[i] || a[i] == kInactive || b[i] == kInactive) {
      apart = kOtherSquared;
    } else {
      apart = (a[i] - b[i]) * (a[i] - b[i]);
    }
    squared += apart / (lengths[i] * lengths[i]);
  }
  const double r = std::sqrt(5 * squared);
  return (1 + r + r * r / 3) * std::exp(-r);
}

GaussianProcess::GaussianProcess(Kernel kernel, std::vector<Point> points,
                                 const std::vector<double>& values,
                                 const std::vector<double>& noise)
    : kernel_(std::move(kernel)), points_(std::move(points)), values_(VectorOf(values)) {
  const auto n = static_cast<Eigen::Index>(points_.size());
  Eigen::MatrixXd covariance(n, n);
  for (Eigen::Index i = 0; i < n; ++i) {
    for (Eigen::Index j = 0; j < i; ++j) {
      covariance(i, j) =
          kernel_.At(points_[static_cast<size_t>(i)], points_[static_cast<size_t>(j)]);
    }
    covariance(i, i) = 1 + noise[static_cast<size_t>(i)];
  }
  factor_.compute(covariance);  // Looks at the lower triangle only.
  weights_ = factor_.solve(values_);
}

GaussianProcess::Prediction GaussianProcess::At(const Point& point) const {
  Eigen::VectorXd covariances(values_.size());
  for (Eigen::Index i = 0; i < values_.size(); ++i) {
    covariances(i) = kernel_.At(point, points_[static_cast<size_t>(i)]);
  }
  const double mean = covariances.dot(weights_);
  factor_.matrixL().solveInPlace(covariances);
  return {.mean = mean, .deviation = std::sqrt(std::max(1e-12, 1 - covariances.squaredNorm()))};
}

double GaussianProcess::LogLikelihood() const {
  const double fit = values_.dot(weights_);
  const Eigen::MatrixXd& lower = factor_.matrixLLT();
  double log_determinant = 0;
  for (Eigen::Index i = 0; i < values_.size(); ++i) log_determinant += std::log(lower(i, i));
  // The constant does not matter to a comparison.
  return factor_.info() == Eigen::Success ? -fit / 2 - log_determinant
                                          : -std::numeric_limits<double>::infinity();
}

}  // namespace halving
