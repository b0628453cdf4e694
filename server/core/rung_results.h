// RungResults: the finite errors of each rung in their order, with the points that gave them.
#ifndef HALVING_SERVER_CORE_RUNG_RESULTS_H_
#define HALVING_SERVER_CORE_RUNG_RESULTS_H_

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "server/core/order_tree.h"
#include "server/core/unit_cube.h"

namespace halving {

// What searchers that learn look at. Thread-compatible.
class RungResults {
 public:
  using Ranked = OrderTree<std::pair<double, int64_t>>;  // (error, trial)

  RungResults(const SearchSpace* space, int rungs)
      : space_(space), rungs_(static_cast<size_t>(rungs)) {}

  // Trials come in the order of their ids, from 1.
  void Begin(const Config& config) { points_.push_back(PointOf(*space_, config)); }
  void Add(int64_t trial, int rung, double error) {
    if (std::isfinite(error)) rungs_[rung].insert({error, trial});
  }

  // The highest rung with at least so many; nullptr when none has.
  const Ranked* Highest(size_t least) const {
    for (auto rung = rungs_.rbegin(); rung != rungs_.rend(); ++rung) {
      if (rung->size() >= least) return &*rung;
    }
    return nullptr;
  }

  const Ranked& At(int rung) const { return rungs_[rung]; }
  // Of one of At().
  size_t RungOf(const Ranked& ranked) const { return static_cast<size_t>(&ranked - rungs_.data()); }

  const Point& PointOfTrial(int64_t trial) const { return points_[trial - 1]; }
  // Of the trial at that rank, from 0.
  const Point& PointAtRank(const Ranked& ranked, size_t rank) const {
    return PointOfTrial(ranked.find_by_order(rank)->second);
  }
  int64_t trials() const { return static_cast<int64_t>(points_.size()); }
  const SearchSpace& space() const { return *space_; }

 private:
  const SearchSpace* space_;
  std::vector<Point> points_;  // By trial.
  std::vector<Ranked> rungs_;
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_RUNG_RESULTS_H_
