#include "bench/simulate/problems.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/matchers.h"

namespace halving {
namespace {

std::vector<std::unique_ptr<const Problem>> AllProblems() {
  std::vector<std::unique_ptr<const Problem>> problems = AnalyticProblems();
  for (auto& problem : CurveProblems()) problems.push_back(std::move(problem));
  auto power_laws = PowerLawProblems();  // The first is of the curve problems, too.
  std::move(power_laws.begin() + 1, power_laws.end(), std::back_inserter(problems));
  return problems;
}

const Problem& Named(const std::vector<std::unique_ptr<const Problem>>& problems,
                     const std::string& name) {
  const auto at = std::find_if(problems.begin(), problems.end(),
                               [&](const auto& problem) { return problem->name() == name; });
  EXPECT_NE(at, problems.end()) << name;
  return **at;
}

TEST(ProblemsTest, HaveNamesOfTheirOwn) {
  std::set<std::string> names;
  for (const auto& problem : AllProblems()) names.insert(problem->name());
  EXPECT_EQ(names.size(), 15U);
}

TEST(ProblemsTest, TheOptimumIsReachedAndNoRandomConfigIsBelowIt) {
  for (const auto& problem : AllProblems()) {
    EXPECT_THAT(problem->space().Encode(problem->space().Decode(problem->best()), "best"), IsOk())
        << problem->name();
    EXPECT_EQ(problem->FinalError(problem->best()), problem->optimum()) << problem->name();
    const std::vector<double> errors = RandomFinalErrors(*problem, 100'000);
    EXPECT_GE(*std::min_element(errors.begin(), errors.end()), problem->optimum())
        << problem->name();
    EXPECT_GT(problem->scale(), 0) << problem->name();
    EXPECT_EQ(problem->Regret(problem->best()), 0) << problem->name();
  }
}

TEST(ProblemsTest, NoStepFromTheOptimumLeadsBelowIt) {
  for (const auto& problem : AllProblems()) {
    for (size_t i = 0; i < problem->parameters().size(); ++i) {
      const auto* range = std::get_if<FloatRange>(&problem->parameters()[i].domain);
      if (range == nullptr) continue;
      for (const double step : {-1e-3, 1e-3}) {
        Config config = problem->best();
        config[i] =
            std::clamp(config[i] + step * (range->max - range->min), range->min, range->max);
        EXPECT_GE(problem->FinalError(config), problem->optimum())
            << problem->name() << ", parameter " << i;
      }
    }
  }
}

TEST(ProblemsTest, OptimaArePublishedOnes) {
  const auto problems = AllProblems();
  EXPECT_NEAR(Named(problems, "hartmann3-good").optimum(), -3.86278, 1e-5);
  EXPECT_NEAR(Named(problems, "hartmann6-terrible").optimum(), -3.32237, 1e-5);
  EXPECT_NEAR(Named(problems, "branin").optimum(), 0.397887, 1e-6);
  EXPECT_NEAR(Named(problems, "borehole").optimum(), -309.5756, 1e-3);
  EXPECT_NEAR(Named(problems, "power-law").optimum(), 0.04, 1e-12);
}

TEST(ProblemsTest, AtTheTopNoSeedMatters) {
  for (const auto& problem : AllProblems()) {
    const Config config = RandomConfig(*problem, 5, 1);
    const int64_t top = problem->ladder().max_epochs;
    EXPECT_EQ(problem->Error(config, top, 1), problem->FinalError(config)) << problem->name();
    EXPECT_EQ(problem->Error(config, top, 2), problem->FinalError(config)) << problem->name();
    EXPECT_NE(problem->Error(config, 1, 1), problem->FinalError(config)) << problem->name();
    EXPECT_EQ(problem->Error(config, 1, 1), problem->Error(config, 1, 1)) << problem->name();
  }
}

TEST(ProblemsTest, EveryErrorIsFiniteAndCurvesComeDownToTheEnd) {
  for (const auto& problem : CurveProblems()) {
    for (int64_t i = 1; i <= 500; ++i) {
      const Config config = RandomConfig(*problem, 11, i);
      const double end = problem->FinalError(config);
      for (int64_t epochs = 1; epochs < 81; ++epochs) {
        const double error = problem->Error(config, epochs, 3);
        ASSERT_TRUE(std::isfinite(error)) << problem->name();
        // Up to the noise, of which 0.01 is the deviation.
        ASSERT_GE(error, end - 0.06) << problem->name() << " after " << epochs;
      }
      EXPECT_NEAR(problem->Error(config, 80, 3), end, 0.04) << problem->name();
    }
  }
}

// How often, of pairs of configs, the one that is better at the end is better at the first epoch.
double Agreement(const Problem& problem) {
  int agree = 0;
  constexpr int kPairs = 4000;
  for (int i = 0; i < kPairs; ++i) {
    const Config a = RandomConfig(problem, 21, 2 * i + 1);
    const Config b = RandomConfig(problem, 21, 2 * i + 2);
    const uint64_t seed = static_cast<uint64_t>(i);
    const bool early = problem.Error(a, 1, seed) < problem.Error(b, 1, seed + kPairs);
    if (early == (problem.FinalError(a) < problem.FinalError(b))) ++agree;
  }
  return static_cast<double>(agree) / kPairs;
}

TEST(ProblemsTest, TheFirstEpochSaysWhatTheNamePromises) {
  const auto problems = AllProblems();
  const auto agreement = [&](const std::string& name) { return Agreement(Named(problems, name)); };
  EXPECT_GT(agreement("power-law"), 0.7);
  EXPECT_GT(agreement("power-law"), agreement("independent-power-law"));
  EXPECT_GT(agreement("independent-power-law"), agreement("noisy-power-law"));
  EXPECT_LT(agreement("crossing"), 0.6);
  EXPECT_LT(agreement("late-takeoff"), 0.7);
  for (const std::string size : {"hartmann3", "hartmann6"}) {
    EXPECT_GT(agreement(size + "-good"), 0.8) << size;
    EXPECT_GT(agreement(size + "-good"), agreement(size + "-moderate")) << size;
    EXPECT_GT(agreement(size + "-moderate"), agreement(size + "-bad")) << size;
    EXPECT_GT(agreement(size + "-bad"), agreement(size + "-terrible")) << size;
  }
}

TEST(ProblemsTest, OnCrossingTheBestConfigBeginsWorseThanMost) {
  const auto problems = AllProblems();
  const Problem& problem = Named(problems, "crossing");
  int better = 0;
  for (int64_t i = 1; i <= 1000; ++i) {
    const Config config = RandomConfig(problem, 41, i);
    if (problem.Error(config, 3, 1) < problem.Error(problem.best(), 3, 1)) ++better;
  }
  EXPECT_GT(better, 500);
}

TEST(ProblemsTest, LateTakeoffStaysAtChance) {
  const auto problems = AllProblems();
  const Problem& problem = Named(problems, "late-takeoff");
  int at_chance = 0;
  for (int64_t i = 1; i <= 100; ++i) {
    const Config config = RandomConfig(problem, 31, i);
    if (std::abs(problem.Error(config, 3, 1) - 0.9) < 0.05 && problem.FinalError(config) < 0.8) {
      ++at_chance;
    }
  }
  EXPECT_GT(at_chance, 30);
}

}  // namespace
}  // namespace halving
