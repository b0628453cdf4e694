#include "bench/simulate/problem.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "bench/simulate/statistics.h"
#include "common/check.h"
#include "server/core/searcher.h"

namespace halving {
namespace {

constexpr uint64_t kScaleSeed = 0x7363616c65;
constexpr size_t kScaleConfigs = 20'001;

SearchSpace SpaceOf(const ProblemFacts& facts) {
  absl::StatusOr<SearchSpace> space = SearchSpace::Create(facts.parameters);
  HV_CHECK(space.ok()) << facts.name << ": " << space.status();
  return *std::move(space);
}

}  // namespace

Problem::Problem(ProblemFacts facts) : facts_(std::move(facts)), space_(SpaceOf(facts_)) {}

void Problem::Finish() {
  optimum_ = FinalError(facts_.best);
  scale_ = Median(RandomFinalErrors(*this, kScaleConfigs)) - optimum_;
  HV_CHECK(std::isfinite(scale_) && scale_ > 0) << facts_.name << " has the scale " << scale_;
}

double Problem::Regret(const Config& config) const {
  const double regret = (FinalError(config) - optimum_) / scale_;
  return std::isnan(regret) ? 1 : std::min(regret, 1.0);
}

Config RandomConfig(const Problem& problem, uint64_t seed, int64_t i) {
  const RandomSearcher random(problem.parameters().size());
  return ConfigAt(problem.space(), random.Propose(Draws(seed, i, 0)));
}

std::vector<double> RandomFinalErrors(const Problem& problem, size_t count) {
  std::vector<double> errors;
  errors.reserve(count);
  for (size_t i = 1; i <= count; ++i) {
    const double error =
        problem.FinalError(RandomConfig(problem, kScaleSeed, static_cast<int64_t>(i)));
    errors.push_back(std::isfinite(error) ? error : std::numeric_limits<double>::infinity());
  }
  return errors;
}

}  // namespace halving
