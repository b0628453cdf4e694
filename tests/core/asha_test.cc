// ASHA: trials are promoted one by one, by their rank in a rung that never closes.
#include <cmath>
#include <vector>

#include "common/random.h"
#include "gtest/gtest.h"
#include "tests/support/matchers.h"
#include "tests/support/scheduler_fixture.h"

namespace halving {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

// On the ladder 1, 3, 9 epochs.
StudySpec Asha(const Limits& limits, PolicyKind policy = PolicyKind::kAsha) {
  StudySpec spec = SmallSpec(limits);
  spec.halving = {.min_epochs = 1, .max_epochs = 9, .eta = 3};
  spec.policy = policy;
  return spec;
}

// One worker works until `trials` exist and nothing can be promoted any more. The error of trial i
// is `slope` * i at every rung.
void WorkOff(SchedulerFixture& f, int64_t trials, double slope) {
  while (true) {
    const Assignment next = f.Take("w");
    if (next.lease.trial > trials) return;
    f.Complete(next, 100 + slope * static_cast<double>(next.lease.trial));
  }
}

TEST(Asha, TwelveTrialsInBestFirstOrderGiveTwelveFourOne) {
  SchedulerFixture f(Asha({.max_evaluations = 1000}));
  WorkOff(f, 12, +1);
  EXPECT_THAT(f.Results(), ElementsAre(12, 4, 1));
  EXPECT_EQ(f.study().Best()->id, 1);
}

TEST(Asha, AStudyOfAsManyEvaluationsEndsWithAllOfThem) {
  SchedulerFixture f(Asha({.max_evaluations = 17}));
  while (std::optional<Assignment> next = f.AskFor("w")) {
    f.Complete(*next, static_cast<double>(next->lease.trial));
  }
  EXPECT_THAT(f.Results(), ElementsAre(12, 4, 1));
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
  EXPECT_EQ(f.StateOf(1), TrialState::kCompleted);
}

TEST(Asha, EachTrialThatIsTheBestSoFarIsPromoted) {
  SchedulerFixture f(Asha({.max_evaluations = 1000}));
  WorkOff(f, 12, -1);
  EXPECT_THAT(f.Results(), ElementsAre(12, 10, 8)) << "from the third on, at either rung";
}

TEST(DelayedAsha, PromotesNoMoreThanItsShareWhateverTheOrder) {
  for (const double slope : {+1.0, -1.0}) {
    SchedulerFixture f(Asha({.max_evaluations = 1000}, PolicyKind::kDelayedAsha));
    WorkOff(f, 12, slope);
    EXPECT_THAT(f.Results(), ElementsAre(12, 4, 1)) << "slope " << slope;
  }
}

TEST(Asha, TheHighestRungComesFirst) {
  SchedulerFixture f(Asha({.max_evaluations = 1000}));
  std::vector<Assignment> held = f.TakeMany(9);
  for (const Assignment& a : held) f.Complete(a, static_cast<double>(a.lease.trial));
  held = f.TakeMany(3);
  EXPECT_THAT((std::vector{held[0].lease.trial, held[1].lease.trial, held[2].lease.trial}),
              ElementsAre(1, 2, 3));
  const std::vector<Assignment> fresh = f.TakeMany(3);
  for (const Assignment& a : held) f.Complete(a, static_cast<double>(a.lease.trial));
  for (const Assignment& a : fresh) f.Complete(a, 0.5);
  const Assignment next = f.Take("w");
  EXPECT_EQ(next.lease.trial, 1) << "though others wait at the first rung";
  EXPECT_EQ(next.to_epoch, 9);
  EXPECT_EQ(next.from_epoch, 3);
  EXPECT_EQ(f.Take("w").lease.trial, 10);
}

TEST(Asha, TiesGoToTheLowerId) {
  SchedulerFixture f(Asha({.max_evaluations = 1000}));
  const std::vector<Assignment> held = f.TakeMany(3);
  for (const int i : {2, 1, 0}) f.Complete(held[i], 0.5);
  EXPECT_EQ(f.Take("w").lease.trial, 1);
}

TEST(Asha, WhoDivergedOrFailedCountsAsAnOutcomeAndIsNeverPromoted) {
  SchedulerFixture f(Asha({.max_evaluations = 1000}));
  const std::vector<Assignment> held = f.TakeMany(3);
  f.Complete(held[0], NAN);
  f.Fail(held[1], /*retryable=*/false);
  EXPECT_EQ(f.StateOf(1), TrialState::kEliminated);
  EXPECT_EQ(f.StateOf(2), TrialState::kFailed);
  f.Complete(held[2], 5);
  EXPECT_EQ(f.Take("w").lease.trial, 3);
  EXPECT_EQ(f.Take("w").lease.trial, 4);
}

TEST(Asha, AFreeWorkerNeverWaits) {
  SchedulerFixture f(Asha({.max_evaluations = 1000}));
  for (int i = 1; i <= 50; ++i) EXPECT_EQ(f.Take("w").lease.trial, i);
}

TEST(Asha, AttemptsThatFailedComeBeforePromotions) {
  SchedulerFixture f(Asha({.max_evaluations = 1000}));
  const std::vector<Assignment> held = f.TakeMany(4);
  for (int i = 0; i < 3; ++i) f.Complete(held[i], i);
  f.Fail(held[3]);
  EXPECT_EQ(f.Take("w").lease.trial, 4);
  EXPECT_EQ(f.Take("w").lease.trial, 1);
}

TEST(Asha, HasNoRoundsAndNoSizes) {
  SchedulerFixture f(Asha({.max_evaluations = 1000}));
  f.Take("w");
  EXPECT_EQ(f.trial(1).round, 0);
  EXPECT_EQ(f.study().SizeOf(0, 0), 0);
}

TEST(Asha, RefusesMaxRounds) {
  SchedulerFixture f;
  EXPECT_THAT(f.Execute(CreateStudy{.spec = Asha({.max_rounds = 2})}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("ASHA has no rounds")));
}

TEST(Asha, NearALimitARungThatPromotedNobodyPromotesItsBest) {
  SchedulerFixture f(Asha({.max_evaluations = 4}));
  while (std::optional<Assignment> next = f.AskFor("w")) {
    f.Complete(*next, static_cast<double>(next->lease.trial));
  }
  EXPECT_THAT(f.Results(), ElementsAre(2, 1, 1)) << "what was left went to the promotions";
  SchedulerFixture few(Asha({.max_evaluations = 2}));
  while (std::optional<Assignment> next = few.AskFor("w")) few.Complete(*next, 1);
  EXPECT_THAT(few.Results(), ElementsAre(1, 1, 0));
}

// Of so many studies with a limit, how many ended without a trial at the top.
int WithoutATop(PolicyKind policy) {
  int without = 0;
  for (int64_t limit = 10; limit <= 60; ++limit) {
    SchedulerFixture f(Asha({.max_total_epochs = limit}, policy));
    while (std::optional<Assignment> next = f.AskFor("w")) {
      f.Complete(*next, UnitInterval(MixBits(static_cast<uint64_t>(limit),
                                             static_cast<uint64_t>(next->lease.trial))));
    }
    if (f.Results()[2] == 0) ++without;
  }
  return without;
}

TEST(DelayedAsha, AtTheEndTheTopRungWasReachedIfTheLimitsAllow) {
  EXPECT_EQ(WithoutATop(PolicyKind::kDelayedAsha), 0);
}

TEST(Asha, AtTheEndTheTopRungWasReachedUnlessLuckPromotedTooMany) {
  EXPECT_LE(WithoutATop(PolicyKind::kAsha), 2) << "of 51";
}

TEST(Asha, EveryEvaluationIsSpentHoweverManyDiverge) {
  for (const PolicyKind policy : {PolicyKind::kAsha, PolicyKind::kDelayedAsha}) {
    for (const double diverged : {0.0, 0.6, 0.8, 1.0}) {
      SchedulerFixture f(Asha({.max_evaluations = 100}, policy));
      while (std::optional<Assignment> next = f.AskFor("w")) {
        const double u = UnitInterval(MixBits(1, static_cast<uint64_t>(next->lease.trial)));
        f.Complete(*next, u < diverged ? NAN : u);
      }
      EXPECT_GE(f.study().evaluations(), 98) << diverged << " of them diverge";
    }
  }
}

TEST(Asha, AnExtensionFindsTheTrialsThatWait) {
  SchedulerFixture f(Asha({.max_evaluations = 4}));
  while (std::optional<Assignment> next = f.AskFor("w")) {
    f.Complete(*next, static_cast<double>(next->lease.trial));
  }
  EXPECT_EQ(f.StateOf(2), TrialState::kEliminated);
  f.Do(ExtendStudy{.name = "s", .limits = {.max_evaluations = 17}});
  EXPECT_EQ(f.StateOf(2), TrialState::kWaiting);
  while (std::optional<Assignment> next = f.AskFor("w")) {
    f.Complete(*next, static_cast<double>(next->lease.trial));
  }
  EXPECT_THAT(f.Results(), ElementsAre(12, 4, 1));
}

TEST(Asha, CheckpointsGoWhereTheRankLeavesNoHope) {
  SchedulerFixture f(Asha({.max_evaluations = 1000}));
  // Ranks from floor(1.25 n / 3) + running on; the best three keep theirs.
  for (int i = 0; i < 12; ++i) {
    const Assignment next = f.Take("w");
    f.Complete(next, static_cast<double>(next.lease.trial));
  }
  int64_t held = 0;
  for (TrialId id = 1; id <= f.study().trials(); ++id) {
    if (!f.trial(id).checkpoints.empty()) ++held;
  }
  const int64_t results = f.Results()[0];
  EXPECT_LE(held, 5 * results / 12 + 1 + 3);
  EXPECT_FALSE(f.trial(1).checkpoints.empty());
  EXPECT_TRUE(f.trial(results).checkpoints.empty()) << "the last came in last";
  EXPECT_EQ(f.StateOf(results), TrialState::kWaiting) << "it may be promoted all the same";
}

TEST(Asha, WhoIsPromotedWithoutItsCheckpointStartsFromScratch) {
  StudySpec spec = Asha({.max_evaluations = 1000});
  spec.keep_checkpoints = 1;
  SchedulerFixture f(spec);
  const auto finish = [&](TrialId trial, double error) {
    const Assignment next = f.Take("w");
    EXPECT_EQ(next.lease.trial, trial);
    f.Complete(next, error);
  };
  for (const auto& [trial, error] : {std::pair(1, 5.0), {2, 1.0}, {3, 9.0}}) finish(trial, error);
  EXPECT_TRUE(f.trial(1).checkpoints.empty()) << "ranked second of three, by one worker";
  finish(2, 1);
  for (const TrialId trial : {4, 5, 6}) finish(trial, 10);
  const Assignment promoted = f.Take("w");
  EXPECT_EQ(promoted.lease.trial, 1) << "ranked second of six";
  EXPECT_EQ(promoted.from_epoch, 0);
  EXPECT_EQ(promoted.to_epoch, 3);
}

}  // namespace
}  // namespace halving
