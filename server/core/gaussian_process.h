// GaussianProcess: a regression over the unit cube, with its uncertainty.
#ifndef HALVING_SERVER_CORE_GAUSSIAN_PROCESS_H_
#define HALVING_SERVER_CORE_GAUSSIAN_PROCESS_H_

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <vector>

#include "server/core/unit_cube.h"

namespace halving {

// Matern's kernel with nu = 5/2, of unit variance. Coordinates count by their distance over the
// length; two choices that differ, or a parameter that exists at one point only, by one of half an
// edge.
struct Kernel {
  std::vector<double> lengths;  // By coordinate, in edges of the cube.
  std::vector<bool> is_choice;  // By coordinate.

  double At(const Point& a, const Point& b) const;
};

// Conditioned on values of mean about 0 and variance about 1. Cubic in the number of points to
// make, linear for a mean, quadratic for a variance. Immutable.
class GaussianProcess {
 public:
  // One value for each point, and the variance that its observation has besides.
  GaussianProcess(Kernel kernel, std::vector<Point> points, const std::vector<double>& values,
                  const std::vector<double>& noise);

  struct Prediction {
    double mean = 0;
    double deviation = 0;
  };
  Prediction At(const Point& point) const;

  // Of the values, under the kernel.
  double LogLikelihood() const;

 private:
  const Kernel kernel_;
  const std::vector<Point> points_;
  const Eigen::VectorXd values_;
  Eigen::LLT<Eigen::MatrixXd> factor_;  // Of the points' covariance.
  Eigen::VectorXd weights_;             // The covariance's inverse times the values.
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_GAUSSIAN_PROCESS_H_
