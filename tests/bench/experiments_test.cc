// What policies are held to, in virtual time.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "bench/simulate/good_result.h"
#include "bench/simulate/kinds.h"
#include "bench/simulate/parallel.h"
#include "bench/simulate/problems.h"
#include "bench/simulate/search.h"
#include "bench/simulate/statistics.h"
#include "bench/simulate/straggler.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/matchers.h"

namespace halving {
namespace {

using testing::HasSubstr;

constexpr int kThreads = 2;

PolicyChoice PolicyNamed(const std::string& name) {
  for (const PolicyChoice& policy : AllPolicies()) {
    if (policy.name == name) return policy;
  }
  ADD_FAILURE() << name;
  return {};
}

class BusyTest : public testing::TestWithParam<PolicyChoice> {};

TEST_P(BusyTest, EveryPolicyButStrictKeepsWorkersBusyInAllCells) {
  const PolicyChoice& policy = GetParam();
  const std::vector<StragglerCell> cells = StragglerCells();
  ASSERT_EQ(cells.size(), 16U);
  const auto shares = ParallelMap<double>(cells.size(), kThreads, [&](size_t i) {
    const auto result = RunWorkload(StragglerRun(policy, cells[i], i % 2 == 0, 1));
    return result.ok() ? result->busy_share : -1;
  });
  for (size_t i = 0; i < cells.size(); ++i) {
    SCOPED_TRACE(absl::StrCat("seed 1, sigma ", cells[i].time_noise, ", loss ", cells[i].loss));
    if (policy.strict) {
      EXPECT_LT(shares[i], 0.25);
    } else {
      EXPECT_GE(shares[i], 0.99);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, BusyTest, testing::ValuesIn(AllPolicies()), [](const auto& info) {
  return absl::StrReplaceAll(info.param.name, {{" ", "_"}});
});

TEST(StragglerTest, TheDefaultTrainsFarMoreToTheEndThanStrict) {
  const StragglerCell cell = {.time_noise = 0.56, .loss = 0.001};
  const auto trained = [&](const std::string& policy) {
    const auto result = RunWorkload(StragglerRun(PolicyNamed(policy), cell, true, 3));
    EXPECT_THAT(result, IsOk());
    return result.ok() ? result->trained_fully : 0;
  };
  EXPECT_GE(trained(kDefault), 4 * trained(kStrict));
}

TEST(GoodResultTest, TheDefaultIsThereSoonerThanStrict) {
  const auto problems = PowerLawProblems();
  const Problem& problem = *problems[1];
  GoodResultSetup setup{.problem = &problem, .good_error = GoodError(problem, 0.01)};
  setup.workers = 32;
  const auto times = [&](const std::string& policy) {
    return ParallelMap<double>(40, kThreads, [&](size_t i) {
      const auto result = TimeToGoodResult(setup, PolicyNamed(policy), i + 1);
      return result.ok() && result->found ? result->time : 1e9;
    });
  };
  const Estimate ratio = RatioOfMeans(times(kDefault), times(kStrict));
  EXPECT_LT(ratio.value + 2 * ratio.standard_error, 0.75) << Format(ratio, 3);
}

TEST(SearchTest, StepsSayWhenTheIncumbentCameNear) {
  const SearchRun run = {.steps = {{{10, 5}, 0.5}, {{20, 8}, 0.009}, {{40, 12}, 0.02}},
                         .total = {100, 30}};
  EXPECT_EQ(SpentUntil(run, 0.5)->epochs, 10);
  EXPECT_EQ(SpentUntil(run, 0.01)->evaluations, 8);
  EXPECT_FALSE(SpentUntil(run, 0.001).has_value());
  EXPECT_EQ(RegretAt(run, 9), 1);
  EXPECT_EQ(RegretAt(run, 25), 0.009);
  EXPECT_EQ(RegretAt(run, 1000), 0.02);
}

TEST(SearchTest, ARunEndsAtItsGoalOrItsCap) {
  const auto problems = AnalyticProblems();
  const Problem& easy = *problems[8];
  ASSERT_EQ(easy.name(), "branin");
  const Contender random{.name = kRandom};
  const auto near = RunSearch(easy, random, 0.5, 1'000'000, 1);
  ASSERT_THAT(near, IsOk());
  EXPECT_LE(near->steps.back().regret, 0.5);
  const auto capped = RunSearch(easy, random, 0, 200, 1);
  ASSERT_THAT(capped, IsOk());
  EXPECT_GE(capped->total.epochs, 180);
  EXPECT_LT(capped->total.epochs, 220);
}

TEST(SearchTest, TablesDoNotDependOnTheThreads) {
  const auto problems = CurveProblems();
  const SearchQuestion question{
      .title = "Searchers",
      .file = "s.svg",
      .contenders = ContendersOf(std::vector<SearcherChoice>{{kRandom, SearcherKind::kRandom}}),
      .reference = kRandom,
      .has_aims = true};
  const std::vector<const Problem*> chosen = {problems[0].get(), problems[2].get()};
  const auto one = SearchExperiment({.seeds = 3, .threads = 1, .quick = true}, question, chosen);
  const auto four = SearchExperiment({.seeds = 3, .threads = 4, .quick = true}, question, chosen);
  ASSERT_THAT(one, IsOk());
  ASSERT_THAT(four, IsOk());
  EXPECT_EQ(one->markdown, four->markdown);
  EXPECT_EQ(one->pictures[0].svg, four->pictures[0].svg);
  EXPECT_THAT(one->markdown, HasSubstr("| late-takeoff | random | >"));
}

}  // namespace
}  // namespace halving
