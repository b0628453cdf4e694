#include "server/core/tpe_searcher.h"

#include <algorithm>
#include <limits>

#include "server/core/kernel_density.h"

namespace halving {
namespace {

constexpr double kRandomShare = 1.0 / 3;
constexpr double kGoodShare = 0.15;
constexpr int kCandidates = 24;  // More of them would all settle on one spot.
constexpr double kWider = 3;     // Candidates spread wider than the density that judges them.
// Each candidate looks at so many coordinates of points, in both densities together.
constexpr size_t kCoordinates = 1600;
constexpr size_t kLeastPoints = 8;

}  // namespace

std::vector<const Point*> TpeSearcher::PointsFrom(const RungResults::Ranked& ranked, size_t first,
                                                  size_t count, size_t most) const {
  std::vector<const Point*> points;
  const size_t kept = std::min(count, most);
  for (size_t i = 0; i < kept; ++i) {
    points.push_back(&results_.PointAtRank(ranked, first + i * count / kept));
  }
  return points;
}

Point TpeSearcher::Propose(Draws draws) const {
  const size_t parameters = results_.space().parameters().size();
  const RungResults::Ranked* ranked = results_.Highest(parameters + 3);
  if (ranked == nullptr || draws.Unit() < kRandomShare) {
    return RandomSearcher(parameters).Propose(draws);
  }
  const size_t results = ranked->size();
  const size_t least = parameters + 1;
  const size_t good =
      std::max(least, static_cast<size_t>(kGoodShare * static_cast<double>(results)));
  const size_t bad = std::max(least, results - good);
  const size_t most = std::max(kLeastPoints, kCoordinates / (2 * parameters));
  const KernelDensity better(results_.space(), PointsFrom(*ranked, 0, good, most));
  const KernelDensity worse(results_.space(), PointsFrom(*ranked, results - bad, bad, most));
  Point best;
  double best_ratio = -std::numeric_limits<double>::infinity();
  for (int i = 0; i < kCandidates; ++i) {
    Point candidate = better.Draw(&draws, kWider);
    const double ratio = better.LogAt(candidate) - worse.LogAt(candidate);
    if (!best.empty() && !(ratio > best_ratio)) continue;
    best_ratio = ratio;
    best = std::move(candidate);
  }
  return best;
}

}  // namespace halving
