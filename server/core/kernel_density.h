// KernelDensity: a density over the unit cube from points in it.
#ifndef HALVING_SERVER_CORE_KERNEL_DENSITY_H_
#define HALVING_SERVER_CORE_KERNEL_DENSITY_H_

#include <vector>

#include "server/core/draws.h"
#include "server/core/search_space.h"
#include "server/core/unit_cube.h"

namespace halving {

// The mean of one kernel at each point: a product over the parameters, of normal densities cut off
// at the walls of the cube and, for choices, of Aitchison and Aitken's. Bandwidths by the normal
// reference rule. Where a parameter does not exist at a point, its factor there is 1, a uniform
// density. Immutable.
class KernelDensity {
 public:
  // The points must outlive it; one at least.
  KernelDensity(const SearchSpace& space, std::vector<const Point*> points);

  // Its logarithm at a point with a coordinate for every parameter.
  double LogAt(const Point& point) const;

  // Near one of its points: its kernel, `wider` times as wide.
  Point Draw(Draws* draws, double wider) const;

 private:
  // What the kernel at that point is multiplied by, so that it is a density.
  double LogFactorOf(const Point& center) const;
  // Of the kernel at points_[p].
  double LogKernel(size_t p, const Point& point) const;

  const std::vector<const Point*> points_;
  std::vector<double> bandwidths_;   // By parameter; of a choice: the chance to be another one.
  std::vector<double> log_factors_;  // By point.
  std::vector<double> choices_;      // By parameter; 0 for what is no choice.
  std::vector<double> log_same_;     // By parameter, where it is a choice...
  std::vector<double> log_other_;    // ...that is the same at both points, or another one.
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_KERNEL_DENSITY_H_
