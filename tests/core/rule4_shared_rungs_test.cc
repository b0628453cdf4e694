// Rule 4: rounds share their rungs; under POLICY_HALVING_PER_ROUND each has its own.
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/matchers.h"
#include "tests/support/scheduler_fixture.h"

namespace halving {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

StudySpec PerRound(const Limits& limits) {
  StudySpec spec = SmallSpec(limits);
  spec.policy = PolicyKind::kHalvingPerRound;
  return spec;
}

TEST(Rule4SharedRungs, AStragglerHoldsNobodyUp) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  const std::vector<Assignment> held = f.TakeMany(9);
  for (int i = 0; i < 7; ++i) f.Complete(held[i], 0.5 + i);
  EXPECT_THAT(f.All<RungClosed>(), IsEmpty());
  f.Complete(held[8], 0.1);  // The ninth, of round 2, while the eighth still runs.
  ASSERT_THAT(f.Last<RungClosed>(), SizeIs(1));
  EXPECT_THAT(f.Last<RungClosed>()[0].promoted, ElementsAre(9, 1, 2, 3));
  EXPECT_EQ(f.StateOf(8), TrialState::kRunning);
}

TEST(Rule4SharedRungs, TheStragglerCountsTowardsTheNextClosing) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 100}));
  const std::vector<Assignment> held = f.TakeMany(16);
  for (int i = 0; i < 16; ++i) {
    if (i != 7) f.Complete(held[i], 0.5 + i);
  }
  EXPECT_THAT(f.All<RungClosed>(), SizeIs(1));
  f.Complete(held[7], 0.1);
  ASSERT_THAT(f.Last<RungClosed>(), SizeIs(1));
  EXPECT_THAT(f.Last<RungClosed>()[0].promoted, ElementsAre(8, 10, 11, 12));
}

TEST(Rule4SharedRungs, PromotionsOfDifferentClosingsFillTheNextRungTogether) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 100}));
  for (const Assignment& a : f.TakeMany(8)) f.Complete(a, a.lease.trial <= 2 ? 0.5 : NAN);
  for (int i = 0; i < 2; ++i) f.Complete(f.Take("w"), 0.4);
  EXPECT_THAT(f.Results(), ElementsAre(8, 2, 0, 0)) << "the second rung waits for two more";
  std::vector<Assignment> next = f.TakeMany(8);
  for (const Assignment& a : next) f.Complete(a, a.lease.trial <= 10 ? 0.5 : NAN);
  for (int i = 0; i < 2; ++i) f.Complete(f.Take("w"), 0.3);
  ASSERT_THAT(f.Last<RungClosed>(), SizeIs(1));
  EXPECT_EQ(f.Last<RungClosed>()[0].rung, 1);
  EXPECT_THAT(f.Last<RungClosed>()[0].promoted, ElementsAre(9, 10));
}

TEST(Rule4PerRound, ARoundWaitsForItsOwnStraggler) {
  SchedulerFixture f(PerRound({.max_evaluations = 45}));
  const std::vector<Assignment> held = f.TakeMany(9);
  for (int i = 0; i < 9; ++i) {
    if (i != 7) f.Complete(held[i], 0.5 + i);
  }
  EXPECT_THAT(f.All<RungClosed>(), IsEmpty());
  f.Complete(held[7], 0.1);
  ASSERT_THAT(f.Last<RungClosed>(), SizeIs(1));
  EXPECT_EQ(f.Last<RungClosed>()[0].group, (GroupKey{.bracket = 0, .round = 1}));
  EXPECT_THAT(f.Last<RungClosed>()[0].promoted, ElementsAre(8, 1, 2, 3));
}

TEST(Rule4PerRound, TrialsCompeteWithinTheirRoundAllTheWayUp) {
  SchedulerFixture f(PerRound({.max_evaluations = 30}));
  std::vector<Assignment> held = f.TakeMany(16);
  for (const Assignment& a : held) f.Complete(a, a.lease.trial);  // All of round 2 are worse.
  std::vector<TrialId> finished;
  while (std::optional<Assignment> next = f.AskFor("w")) {
    f.Complete(*next, next->lease.trial);
    if (next->to_epoch == 10) finished.push_back(next->lease.trial);
  }
  EXPECT_THAT(finished, testing::UnorderedElementsAre(1, 9)) << "the best of each round";
  EXPECT_THAT(f.Results(), ElementsAre(16, 8, 4, 2));
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
}

TEST(Rule4PerRound, AnIdleWorkerStillOpensTheNextRound) {
  SchedulerFixture f(PerRound({.max_evaluations = 30}));
  f.TakeMany(8);
  EXPECT_EQ(f.Take("w9").lease.trial, 9);
  EXPECT_EQ(f.trial(9).group.round, 2);
}

TEST(Rule4PerRound, ALevelThatTooFewReachClosesWhenNoMoreCanCome) {
  SchedulerFixture f(PerRound({.max_wall_time = absl::Hours(1)}));
  for (const Assignment& a : f.TakeMany(8)) {
    f.Complete(a, a.lease.trial <= 3 ? static_cast<double>(a.lease.trial) : NAN);
  }
  const std::vector<Assignment> second = f.TakeMany(3);  // Three of the four that fit.
  f.Take("w9");                                          // The next round has begun.
  f.Complete(second[0], 1);
  f.Complete(second[1], 2);
  EXPECT_THAT(f.Last<RungClosed>(), IsEmpty()) << "one of them still runs";
  f.Complete(second[2], 3);
  ASSERT_THAT(f.Last<RungClosed>(), SizeIs(1));
  EXPECT_EQ(f.Last<RungClosed>()[0].rung, 1);
  EXPECT_FALSE(f.Last<RungClosed>()[0].drained);
  EXPECT_THAT(f.Last<RungClosed>()[0].promoted, ElementsAre(1, 2)) << "min(n_2, finite errors)";
}

TEST(Rule4PerRound, TheReserveCoversThePromotionsOfAShortRound) {
  SchedulerFixture f(PerRound({.max_evaluations = 15}));
  for (const Assignment& a : f.TakeMany(8)) f.Complete(a, a.lease.trial <= 2 ? 0.5 : NAN);
  f.TakeMany(2);
  // 10 are handed out, and 2 + 1 may be earned above: two new trials fit, a third does not.
  EXPECT_EQ(f.Take("w3").to_epoch, 2);
  EXPECT_EQ(f.Take("w4").to_epoch, 2);
  EXPECT_EQ(f.AskFor("w5"), std::nullopt);
}

TEST(Rule4PerRound, FinishedRoundsAreFoldedIntoOneSum) {
  SchedulerFixture f(PerRound({.max_evaluations = 15 * 20}));
  int64_t most = 0;
  while (std::optional<Assignment> next = f.AskFor("w")) {
    f.Complete(*next, 0.5);
    most = std::max(most, static_cast<int64_t>(f.study().rungs().groups().size()));
  }
  EXPECT_LE(most, 2);
  EXPECT_THAT(f.Results(), ElementsAre(160, 80, 40, 20));
  EXPECT_EQ(f.study().rungs().closed()[0].errors.count(), 160);
  EXPECT_EQ(f.study().rungs().closed()[0].promoted, 80);
}

}  // namespace
}  // namespace halving
