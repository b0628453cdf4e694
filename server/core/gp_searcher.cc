#include "server/core/gp_searcher.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace halving {
namespace {

constexpr double kRandomShare = 0.2;
constexpr size_t kPoints = 64;     // That the process sees...
constexpr size_t kFitPoints = 40;  // ...and that its lengths are fitted to.
constexpr size_t kMostPending = 12;
constexpr size_t kMostFittedLengths = 12;
constexpr int kCandidates = 160;
constexpr int kCentres = 5;  // The best points, near which most candidates lie.
constexpr double kNearShare = 0.7;
constexpr double kWidestStep = 0.2;
constexpr double kNarrowestStep = 0.002;
constexpr double kOtherChoice = 0.2;

// Standard normal distribution and density.
double Cumulative(double z) { return 0.5 * std::erfc(-z * M_SQRT1_2); }
double Density(double z) { return 0.3989422804014327 * std::exp(-z * z / 2); }

double ExpectedImprovement(const GaussianProcess::Prediction& at, double best) {
  const double z = (best - at.mean) / at.deviation;
  return at.deviation * (z * Cumulative(z) + Density(z));
}

// Moves some coordinates of the point, or all, by steps of one size.
Point Near(const SearchSpace& space, Point point, Draws* draws) {
  const double step = kWidestStep * std::pow(kNarrowestStep / kWidestStep, draws->Unit());
  const double moved = draws->Unit() < 0.5 ? 1 : 0.3;  // The share of them.
  for (size_t i = 0; i < point.size(); ++i) {
    if (point[i] == kInactive) {
      point[i] = draws->Unit();
    } else if (ChoicesOf(space.parameters()[i]) > 0) {
      if (draws->Unit() < kOtherChoice) point[i] = draws->Unit();
    } else if (draws->Unit() < moved) {
      point[i] = std::clamp(point[i] + step * draws->Normal(), 0.0, 1.0);
    }
  }
  return point;
}

}  // namespace

GpSearcher::GpSearcher(const SearchSpace* space, int rungs) : results_(space, rungs) {
  const size_t parameters = space->parameters().size();
  Kernel kernel = {.lengths = std::vector<double>(parameters, 0.5)};
  for (const Parameter& parameter : space->parameters()) {
    kernel.is_choice.push_back(ChoicesOf(parameter) > 0);
  }
  kernels_.assign(static_cast<size_t>(rungs), kernel);
  fit_at_.assign(static_cast<size_t>(rungs), parameters + 3);
}

void GpSearcher::Begin(int64_t trial, const Config& config) {
  results_.Begin(config);
  pending_.insert(trial);
}

void GpSearcher::Learn(int64_t trial, int rung, double error) {
  pending_.erase(trial);
  results_.Add(trial, rung, error);
  const RungResults::Ranked& ranked = results_.At(rung);
  if (ranked.size() < fit_at_[rung]) return;
  kernels_[rung] = Fit(ranked);
  fit_at_[rung] = ranked.size() + std::max<size_t>(2, ranked.size() / 4);
}

GpSearcher::Data GpSearcher::DataOf(const RungResults::Ranked& ranked, size_t most) const {
  const size_t results = ranked.size();
  const size_t kept = std::min(results, most);
  const size_t best = std::min(results, most / 2);
  const double least = ranked.begin()->first;
  const double median = ranked.find_by_order(results / 2)->first;
  Data data;
  double sum = 0;
  double squares = 0;
  for (size_t i = 0; i < kept; ++i) {
    // The best half as it stands, then evenly over the rest.
    const size_t rank =
        i < best || kept == results ? i : best + (i - best) * (results - best) / (kept - best);
    const auto at = ranked.find_by_order(rank);
    const double value = std::min(at->first, median + (median - least));
    data.points.push_back(&results_.PointOfTrial(at->second));
    data.values.push_back(value);
    sum += value;
    squares += value * value;
  }
  const double mean = sum / static_cast<double>(kept);
  const double variance = squares / static_cast<double>(kept) - mean * mean;
  const double deviation = variance > 0 ? std::sqrt(variance) : 1;
  for (double& value : data.values) value = (value - mean) / deviation;
  return data;
}

// Greedy: one length for all, with the noise; then each by itself.
Kernel GpSearcher::Fit(const RungResults::Ranked& ranked) const {
  const Data data = DataOf(ranked, kFitPoints);
  Kernel best = kernels_.front();
  double best_likelihood = -std::numeric_limits<double>::infinity();
  const auto consider = [&](const Kernel& kernel) {
    const double likelihood = GaussianProcess(kernel, data.points, data.values).LogLikelihood();
    if (likelihood <= best_likelihood) return;
    best_likelihood = likelihood;
    best = kernel;
  };
  for (const double length : {0.2, 0.5, 1.2}) {
    for (const double noise : {1e-5, 1e-3, 1e-1}) {
      Kernel kernel = best;
      kernel.lengths.assign(kernel.lengths.size(), length);
      kernel.noise = noise;
      consider(kernel);
    }
  }
  for (size_t i = 0; i < std::min(best.lengths.size(), kMostFittedLengths); ++i) {
    const Kernel start = best;
    for (const double factor : {0.5, 2.0, 4.0}) {
      Kernel kernel = start;
      kernel.lengths[i] *= factor;
      consider(kernel);
    }
  }
  return best;
}

GaussianProcess GpSearcher::Believe(const Kernel& kernel, Data data) const {
  const GaussianProcess process(kernel, data.points, data.values);
  size_t taken = 0;
  for (auto at = pending_.rbegin(); at != pending_.rend() && taken < kMostPending; ++at, ++taken) {
    const Point& point = results_.PointOfTrial(*at);
    data.values.push_back(process.At(point).mean);
    data.points.push_back(&point);
  }
  return taken == 0 ? process : GaussianProcess(kernel, std::move(data.points), data.values);
}

Point GpSearcher::Propose(Draws draws) const {
  const SearchSpace& space = results_.space();
  const RandomSearcher random(space.parameters().size());
  const RungResults::Ranked* ranked = results_.Highest(space.parameters().size() + 3);
  if (ranked == nullptr || draws.Unit() < kRandomShare) return random.Propose(draws);
  Data data = DataOf(*ranked, kPoints);
  const double least = data.values.front();
  const GaussianProcess process = Believe(kernels_[results_.RungOf(*ranked)], std::move(data));
  const auto centres = std::min<int64_t>(kCentres, static_cast<int64_t>(ranked->size()));
  Point best;
  double best_improvement = -1;
  for (int i = 0; i < kCandidates; ++i) {
    Point candidate(space.parameters().size());
    if (draws.Unit() < kNearShare) {
      const auto rank = static_cast<size_t>(draws.Below(centres));
      candidate = Near(space, results_.PointAtRank(*ranked, rank), &draws);
    } else {
      for (double& at : candidate) at = draws.Unit();
    }
    // Judged as the config that it stands for.
    const Point settled = PointOf(space, ConfigAt(space, candidate));
    const double improvement = ExpectedImprovement(process.At(settled), least);
    if (improvement <= best_improvement) continue;
    best_improvement = improvement;
    best = std::move(candidate);
  }
  return best;
}

}  // namespace halving
