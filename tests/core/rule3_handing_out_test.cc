// Rule 3: who gets what, and when a new trial is sampled.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/random.h"
#include "gtest/gtest.h"
#include "tests/support/matchers.h"
#include "tests/support/scheduler_fixture.h"

namespace halving {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Keeps `workers` busy until nothing is handed out any more; they finish in an order drawn from the
// seed. The error is a function of config and epochs.
void RunToTheEnd(SchedulerFixture& f, int workers, uint64_t seed) {
  std::vector<Assignment> held;
  for (uint64_t step = 0;; ++step) {
    while (static_cast<int>(held.size()) < workers) {
      std::optional<Assignment> next = f.AskFor(absl::StrCat("w", held.size()));
      if (!next.has_value()) break;
      held.push_back(*std::move(next));
    }
    if (held.empty()) return;
    const size_t at = BoundedBits(MixBits(seed, step), held.size());
    const double x = std::get<double>(held[at].config[0].second);
    f.Complete(held[at], x + 1 / static_cast<double>(held[at].to_epoch));
    held.erase(held.begin() + static_cast<std::ptrdiff_t>(at));
    f.Advance(absl::Milliseconds(100));
  }
}

TEST(Rule3HandingOut, OneWorkerAnd30EvaluationsGive16And8And4And2Results) {
  StudySpec spec = SmallSpec({.max_evaluations = 30});
  spec.initial_configs = {{{"x", 0.625}}};
  SchedulerFixture f(spec);
  const Assignment first = f.Take("w1");
  EXPECT_EQ(first.config, (NamedConfig{{"x", 0.625}})) << "the initial config comes first";
  f.Return(first);
  RunToTheEnd(f, 1, /*seed=*/1);
  EXPECT_THAT(f.Results(), ElementsAre(16, 8, 4, 2));
  EXPECT_EQ(f.study().epochs_trained(), 68);
  EXPECT_EQ(f.study().epochs_lost(), 0);
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
  EXPECT_THAT(f.study().end_reason(), HasSubstr("max_evaluations 30"));
}

TEST(Rule3HandingOut, OneWorkerGoesUpTheLadderAsTheRoundsFillIt) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  std::vector<int64_t> epochs;
  while (std::optional<Assignment> next = f.AskFor("w1")) {
    epochs.push_back(next->to_epoch);
    f.Complete(*next, 1.0 / static_cast<double>(next->lease.trial));
  }
  EXPECT_THAT(epochs, ElementsAre(2, 2, 2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 8, 8, 10,  //
                                  2, 2, 2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 8, 8, 10));
}

class AnyNumberOfWorkers : public testing::TestWithParam<int> {};

TEST_P(AnyNumberOfWorkers, Gives16And8And4And2ResultsInAnyOrderOfFinishing) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
    RunToTheEnd(f, GetParam(), seed);
    EXPECT_THAT(f.Results(), ElementsAre(16, 8, 4, 2));
    EXPECT_EQ(f.study().epochs_trained(), 68);
    EXPECT_EQ(f.study().state(), StudyState::kCompleted);
  }
}

INSTANTIATE_TEST_SUITE_P(Rule3HandingOut, AnyNumberOfWorkers, testing::Values(1, 3, 7, 30));

TEST(Rule3HandingOut, AConfigIsSampledWhenItIsHandedOutAndNotBefore) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  EXPECT_EQ(f.study().trials(), 0);
  f.Take("w1");
  EXPECT_EQ(f.study().trials(), 1);
  f.Take("w2");
  EXPECT_EQ(f.study().trials(), 2);
}

TEST(Rule3HandingOut, InitialConfigsComeFirstInTheirOrderAndThenSampledOnes) {
  StudySpec spec = SmallSpec({.max_evaluations = 30});
  for (int i = 0; i < 9; ++i) spec.initial_configs.push_back({{"x", i / 16.0}});
  SchedulerFixture f(spec);
  const std::vector<Assignment> taken = f.TakeMany(10);
  for (int i = 0; i < 9; ++i) {
    EXPECT_EQ(taken[i].config, (NamedConfig{{"x", i / 16.0}}));
    EXPECT_EQ(f.trial(i + 1).round, i < 8 ? 1 : 2) << "more than a round of them opens the next";
  }
  EXPECT_NE(taken[9].config, (NamedConfig{{"x", 9 / 16.0}}));
}

TEST(Rule3HandingOut, AnIdleWorkerGetsTheFirstTrialOfANewRound) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  const std::vector<Assignment> first = f.TakeMany(8);
  for (int i = 0; i < 7; ++i) f.Complete(first[i], 0.1 * i);
  const Assignment next = f.Take("w1");  // While w8 still holds the eighth.
  EXPECT_EQ(next.lease.trial, 9);
  EXPECT_EQ(next.to_epoch, 2);
  EXPECT_EQ(f.trial(8).round, 1);
  EXPECT_EQ(f.trial(9).round, 2);
}

TEST(Rule3HandingOut, OnceTheEighthIsReportedTheNextFourAsksGetTheFourBestBestFirst) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  const std::vector<Assignment> first = f.TakeMany(8);
  const std::vector<double> errors = {0.5, 0.2, 0.9, 0.4, 0.8, 0.1, 0.7, 0.3};
  for (int i = 0; i < 7; ++i) f.Complete(first[i], errors[i]);
  f.Take("w1");
  f.Complete(first[7], errors[7]);
  for (const TrialId expected : {6, 2, 8, 4}) {
    const Assignment next = f.Take("w2");
    EXPECT_EQ(next.lease.trial, expected);
    EXPECT_EQ(next.from_epoch, 2);
    EXPECT_EQ(next.to_epoch, 4);
  }
  EXPECT_EQ(f.Take("w2").lease.trial, 10) << "then the round that was opened goes on";
}

TEST(Rule3HandingOut, ThirtyWorkersDoNotSpendAllOnTheFirstRung) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  f.TakeMany(16);
  EXPECT_EQ(f.AskFor("w17"), std::nullopt) << "14 evaluations are kept for promotions";
  EXPECT_EQ(f.study().state(), StudyState::kRunning);
}

struct ReserveCase {
  std::string name;
  Limits limits;
  int new_trials;  // That so many idle workers get at once.
};

void PrintTo(const ReserveCase& c, std::ostream* os) { *os << c.name; }

class Reserve : public testing::TestWithParam<ReserveCase> {};

TEST_P(Reserve, CoversEveryPromotionThatMayBeEarned) {
  SchedulerFixture f(SmallSpec(GetParam().limits));
  int got = 0;
  while (f.AskFor(absl::StrCat("w", got)).has_value() && got < 100) ++got;
  EXPECT_EQ(got, GetParam().new_trials);
}

INSTANTIATE_TEST_SUITE_P(
    Rule3HandingOut, Reserve,
    testing::ValuesIn(std::vector<ReserveCase>{
        {"OneEvaluation", {.max_evaluations = 1}, 1},
        {"TooFewForARound", {.max_evaluations = 14}, 7},  // The eighth would earn seven more.
        {"OneRound", {.max_evaluations = 15}, 8},
        {"OneRoundAndFive", {.max_evaluations = 20}, 13},
        {"TwoRoundsLessOne", {.max_evaluations = 29}, 15},
        {"TwoRounds", {.max_evaluations = 30}, 16},
        {"EpochsOfOneRoundLessOne", {.max_total_epochs = 33}, 7},
        {"EpochsOfOneRound", {.max_total_epochs = 34}, 8},
        {"EpochsOfOneRoundAndATrial", {.max_total_epochs = 36}, 9},
        {"FewerEpochsThanATrial", {.max_total_epochs = 1}, 0},
        {"TheTighterOfBoth", {.max_evaluations = 30, .max_total_epochs = 36}, 9},
        {"RoundsNeedNone", {.max_rounds = 1}, 8},
        {"RoundsThree", {.max_rounds = 3}, 24},
        {"TimeNeedsNone", {.max_wall_time = absl::Hours(1)}, 100},
    }),
    [](const auto& info) { return info.param.name; });

TEST(Rule3HandingOut, WhatWaitsOrIsQueuedKeepsItsReserveToo) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 16}));
  std::vector<Assignment> held = f.TakeMany(9);
  EXPECT_EQ(f.AskFor("w10"), std::nullopt);
  for (int i = 0; i < 7; ++i) {
    f.Complete(held[i], i);
    EXPECT_EQ(f.AskFor("w10"), std::nullopt) << "trial " << i + 1 << " waits";
  }
  f.Complete(held[7], 7);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(f.Take("w10").to_epoch, 4);
  EXPECT_EQ(f.AskFor("w10"), std::nullopt) << "three are kept for the rungs above";
}

TEST(Rule3HandingOut, AReserveThatCannotBeEarnedAnyMoreIsSpentOnNewTrials) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 15}));
  for (const Assignment& a : f.TakeMany(8)) f.Complete(a, NAN);  // None goes on.
  for (int i = 0; i < 7; ++i) EXPECT_EQ(f.Take("w").to_epoch, 2);
  EXPECT_EQ(f.AskFor("w"), std::nullopt);
}

TEST(Rule3HandingOut, WithoutCheckpointsTheReserveOfEpochsIsFromScratch) {
  // One round takes 16 epochs at the first rung and 16 + 16 + 10 above, each from scratch.
  SchedulerFixture f(SmallSpec({.max_total_epochs = 58}));
  f.CompleteWithout(f.Take("w1"), 0.5);
  for (int i = 0; i < 7; ++i) f.Take("w1");
  EXPECT_EQ(f.AskFor("w1"), std::nullopt);
  RunToTheEnd(f, 1, /*seed=*/1);
}

}  // namespace
}  // namespace halving
