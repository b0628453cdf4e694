#include "server/core/perturb_searcher.h"

#include <algorithm>
#include <cmath>

namespace halving {
namespace {

constexpr double kRandomShare = 1.0 / 3;
constexpr double kStep = 0.1;  // Standard deviation, of an edge of the cube.
constexpr double kOtherChoice = 0.1;
constexpr int64_t kLeastBest = 3;
constexpr int64_t kBestOneIn = 20;

double Reflected(double x) {
  x = std::fmod(std::abs(x), 2.0);
  return x < 1 ? x : 2 - x;
}

}  // namespace

Point PerturbSearcher::Propose(Draws draws) const {
  const std::vector<Parameter>& parameters = results_.space().parameters();
  const RungResults::Ranked* ranked = results_.Highest(parameters.size() + 3);
  if (ranked == nullptr || draws.Unit() < kRandomShare) {
    return RandomSearcher(parameters.size()).Propose(draws);
  }
  const auto results = static_cast<int64_t>(ranked->size());
  const int64_t best = std::max(kLeastBest, (results + kBestOneIn - 1) / kBestOneIn);
  Point point = results_.PointAtRank(*ranked, static_cast<size_t>(draws.Below(best)));
  for (size_t i = 0; i < point.size(); ++i) {
    if (point[i] == kInactive) {
      point[i] = draws.Unit();
    } else if (ChoicesOf(parameters[i]) > 0) {
      if (draws.Unit() < kOtherChoice) point[i] = draws.Unit();
    } else {
      point[i] = Reflected(point[i] + kStep * draws.Normal());
    }
  }
  return point;
}

}  // namespace halving
