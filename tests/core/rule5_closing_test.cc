// Rule 5: when a level closes, who is promoted, and how a study is drained near its end.
#include <cmath>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/matchers.h"
#include "tests/support/scheduler_fixture.h"

namespace halving {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Reports of trials 1 to n with these errors, by workers that took them all before.
void Round(SchedulerFixture& f, const std::vector<double>& errors) {
  const std::vector<Assignment> held = f.TakeMany(static_cast<int>(errors.size()));
  for (size_t i = 0; i < errors.size(); ++i) f.Complete(held[i], errors[i]);
}

TEST(Rule5Closing, ALevelClosesWhenItHasGatheredItsOutcomesAndNotBefore) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  const std::vector<Assignment> held = f.TakeMany(8);
  for (int i = 0; i < 7; ++i) {
    f.Complete(held[i], i);
    EXPECT_EQ(f.StateOf(i + 1), TrialState::kWaiting);
  }
  EXPECT_THAT(f.All<RungClosed>(), IsEmpty());
  f.Complete(held[7], 7);
  EXPECT_THAT(f.Last<RungClosed>(), SizeIs(1));
}

TEST(Rule5Closing, TheBestGoOnAndTheOthersAreEliminated) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  Round(f, {0.8, 0.1, 0.7, 0.2, 0.6, 0.3, 0.5, 0.4});
  ASSERT_THAT(f.Last<RungClosed>(), SizeIs(1));
  const RungClosed closed = f.Last<RungClosed>()[0];
  EXPECT_EQ(closed.rung, 0);
  EXPECT_FALSE(closed.drained);
  EXPECT_THAT(closed.promoted, ElementsAre(2, 4, 6, 8));
  EXPECT_THAT(closed.eliminated, ElementsAre(7, 5, 3, 1));
  for (const TrialId id : closed.promoted) EXPECT_EQ(f.StateOf(id), TrialState::kQueued);
  for (const TrialId id : closed.eliminated) EXPECT_EQ(f.StateOf(id), TrialState::kEliminated);
}

TEST(Rule5Closing, TheLevelStartsEmpty) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 100}));
  Round(f, {1, 2, 3, 4, 5, 6, 7, 8});
  const Level& level = f.study().rungs().groups().at({})[0];
  EXPECT_THAT(level.outcomes, IsEmpty());
  f.TakeMany(4);  // The promoted ones.
  const std::vector<Assignment> next = f.TakeMany(8);
  for (int i = 0; i < 7; ++i) f.Complete(next[i], 0.01);
  EXPECT_THAT(f.All<RungClosed>(), SizeIs(1)) << "seven more do not close it";
  f.Complete(next[7], 0.01);
  EXPECT_THAT(f.All<RungClosed>(), SizeIs(2));
}

TEST(Rule5Closing, OutcomesOfOneMomentCloseTheLevelEachTimeItIsFull) {
  StudySpec spec = SmallSpec({.max_evaluations = 100});
  spec.max_attempts = 1;
  SchedulerFixture f(spec);
  f.Complete(f.TakeMany(16)[0], 0.5);
  f.AdvanceAndTick(absl::Seconds(60));  // Fifteen leases expire at once, and are final.
  ASSERT_THAT(f.Last<RungClosed>(), SizeIs(2));
  EXPECT_THAT(f.Last<RungClosed>()[0].promoted, ElementsAre(1));
  EXPECT_THAT(f.Last<RungClosed>()[0].eliminated, ElementsAre(2, 3, 4, 5, 6, 7, 8));
  EXPECT_THAT(f.Last<RungClosed>()[1].promoted, IsEmpty());
  EXPECT_THAT(f.Last<RungClosed>()[1].eliminated, SizeIs(8));
}

TEST(Rule5Closing, APromotedBlockGoesBeforeAllThatIsQueued) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 100}));
  const std::vector<Assignment> held = f.TakeMany(16);
  f.Do(PauseStudy{.name = "s"});
  for (const Assignment& a : held) f.Complete(a, a.lease.trial);
  f.Do(ResumeStudy{.name = "s"});
  EXPECT_THAT(f.NextTrials(8), ElementsAre(9, 10, 11, 12, 1, 2, 3, 4));
}

TEST(Rule5Closing, APromotionGoesBeforeNewTrials) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  Round(f, {1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_THAT(f.NextTrials(5), ElementsAre(1, 2, 3, 4, 9));
}

TEST(Rule5Closing, WhoReportsAtTheTopRungIsCompletedAndNothingClosesThere) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 15}));
  Round(f, {1, 2, 3, 4, 5, 6, 7, 8});
  while (std::optional<Assignment> next = f.AskFor("w")) f.Complete(*next, next->lease.trial);
  EXPECT_EQ(f.StateOf(1), TrialState::kCompleted);
  EXPECT_EQ(f.trial(1).results.size(), 4u);
  for (const RungClosed& closed : f.All<RungClosed>()) EXPECT_LT(closed.rung, 3);
}

TEST(Rule5Closing, TiesGoToTheLowerTrialId) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  const std::vector<Assignment> held = f.TakeMany(8);
  for (int i = 7; i >= 0; --i) f.Complete(held[i], 0.5);  // Reported in the reverse order.
  EXPECT_THAT(f.Last<RungClosed>()[0].promoted, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(f.Last<RungClosed>()[0].eliminated, ElementsAre(5, 6, 7, 8));
}

TEST(Rule5Closing, NaNInfiniteAndFailedRankLastAndAreNeverPromoted) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  const std::vector<Assignment> held = f.TakeMany(8);
  f.Fail(held[0], /*retryable=*/false);
  f.Complete(held[1], NAN);
  f.Complete(held[2], -kInfinity);
  f.Complete(held[3], kInfinity);
  f.Complete(held[4], 1e300);
  f.Complete(held[5], -5);
  f.Complete(held[6], NAN);
  f.Complete(held[7], 3);
  const RungClosed closed = f.Last<RungClosed>()[0];
  EXPECT_THAT(closed.promoted, ElementsAre(6, 8, 5)) << "min(n_1, finite errors) is three";
  EXPECT_THAT(closed.eliminated, ElementsAre(1, 2, 3, 4, 7));
  EXPECT_EQ(f.StateOf(1), TrialState::kFailed) << "not ELIMINATED";
  EXPECT_EQ(f.StateOf(2), TrialState::kEliminated);
}

TEST(Rule5Closing, ARungOfDivergedTrialsPromotesNobody) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  Round(f, {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN});
  EXPECT_THAT(f.Last<RungClosed>()[0].promoted, IsEmpty());
  EXPECT_EQ(f.study().state(), StudyState::kRunning) << "diverged is not failed";
  EXPECT_EQ(f.Take("w").lease.trial, 9);
}

TEST(Rule5Closing, NegativeZeroTiesWithZero) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  Round(f, {0.0, -0.0, 0.0, -0.0, 0.0, -0.0, 0.0, -0.0});
  EXPECT_THAT(f.Last<RungClosed>()[0].promoted, ElementsAre(1, 2, 3, 4));
}

// ---- drain

TEST(Rule5Drain, TheLowestLevelClosesAsItStands) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 12}));
  Round(f, {7, 6, 5, 4, 3, 2, 1});  // An eighth might earn more than the limit.
  ASSERT_THAT(f.Last<RungClosed>(), SizeIs(1));
  EXPECT_TRUE(f.Last<RungClosed>()[0].drained);
  EXPECT_THAT(f.Last<RungClosed>()[0].promoted, ElementsAre(7, 6, 5)) << "floor(7 / 2)";
  EXPECT_THAT(f.Last<RungClosed>()[0].eliminated, ElementsAre(4, 3, 2, 1));
}

TEST(Rule5Drain, SoOnUpUntilNoLevelCan) {
  StudySpec spec = SmallSpec({.max_rounds = 1});
  spec.halving = {.min_epochs = 1, .max_epochs = 16, .eta = 2};  // 16, 8, 4, 2, 1 trials.
  SchedulerFixture f(spec);
  Round(f, {1, 2, 3, 4, 5, 6, 7, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN});
  while (std::optional<Assignment> next = f.AskFor("w")) f.Complete(*next, next->lease.trial);
  EXPECT_THAT(f.Results(), ElementsAre(16, 7, 3, 1, 1));
  EXPECT_EQ(f.StateOf(1), TrialState::kCompleted);
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
}

TEST(Rule5Drain, WhatADrainLeavesOfTheLimitGoesToNewTrialsAgain) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 12}));
  Round(f, {7, 6, 5, 4, 3, 2, 1});
  std::vector<int64_t> epochs;
  while (std::optional<Assignment> next = f.AskFor("w")) {
    epochs.push_back(next->to_epoch);
    f.Complete(*next, next->lease.trial);
  }
  // The three promoted ones can earn nothing by themselves, so rule 3 lets two trials begin.
  EXPECT_THAT(epochs, ElementsAre(4, 4, 4, 2, 2));
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
}

TEST(Rule5Drain, PromotesOneAtLeast) {
  StudySpec spec = SmallSpec({.max_rounds = 1});
  spec.halving = {.min_epochs = 1, .max_epochs = 3, .eta = 3};
  SchedulerFixture f(spec);  // Three trials, then one.
  Round(f, {NAN, 2, 1});
  EXPECT_FALSE(f.Last<RungClosed>()[0].drained);
  StudySpec two = SmallSpec({.max_evaluations = 3});
  two.name = "two";
  two.halving = {.min_epochs = 1, .max_epochs = 3, .eta = 3};
  two.seed = 2;
  SchedulerFixture g(two);
  Round(g, {2, 1});  // floor(2 / 3) is none, yet one goes on.
  EXPECT_THAT(g.Last<RungClosed>()[0].promoted, ElementsAre(2));
}

TEST(Rule5Drain, PromotesAsManyAsTheLimitsAllow) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 9}));
  Round(f, {7, 6, 5, 4, 3, 2, 1});
  EXPECT_THAT(f.Last<RungClosed>()[0].promoted, ElementsAre(7, 6)) << "of three";
  while (std::optional<Assignment> next = f.AskFor("w")) f.Complete(*next, 0.5);
  EXPECT_THAT(f.Results(), ElementsAre(7, 2, 0, 0));
  EXPECT_EQ(f.StateOf(7), TrialState::kStopped) << "it waits at a rung that nothing can close";
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
}

TEST(Rule5Drain, ALimitThatAllowsNoPromotionEndsTheStudyWithItsTrialsWaiting) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 7}));
  Round(f, {7, 6, 5, 4, 3, 2, 1});
  EXPECT_THAT(f.All<RungClosed>(), IsEmpty());
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
  EXPECT_EQ(f.StateOf(7), TrialState::kStopped);
}

TEST(Rule5Drain, WithMaxTotalEpochs) {
  SchedulerFixture f(SmallSpec({.max_total_epochs = 33}));
  Round(f, {7, 6, 5, 4, 3, 2, 1});                                      // 14 epochs.
  EXPECT_THAT(f.Last<RungClosed>()[0].promoted, ElementsAre(7, 6, 5));  // 6 more.
  while (std::optional<Assignment> next = f.AskFor("w")) f.Complete(*next, next->lease.trial);
  // The 13 left are 2 for each of six new trials; the odd one is nobody's.
  EXPECT_THAT(f.Results(), ElementsAre(13, 3, 0, 0));
  EXPECT_EQ(f.study().epochs_trained(), 32);
  EXPECT_THAT(f.study().end_reason(), HasSubstr("max_total_epochs 33"));
}

TEST(Rule5Drain, WithMaxTotalEpochsAsManyAsFit) {
  SchedulerFixture f(SmallSpec({.max_total_epochs = 19}));
  Round(f, {7, 6, 5, 4, 3, 2, 1});  // 14 epochs; 5 are left.
  EXPECT_THAT(f.Last<RungClosed>()[0].promoted, ElementsAre(7, 6));
}

TEST(Rule5Drain, WithMaxRounds) {
  SchedulerFixture f(SmallSpec({.max_rounds = 1}));
  Round(f, {1, 2, 3, NAN, NAN, NAN, NAN, NAN});
  const std::vector<Assignment> second = f.TakeMany(3);
  EXPECT_EQ(f.AskFor("w"), std::nullopt) << "the only round has been handed out";
  for (const Assignment& a : second) f.Complete(a, a.lease.trial);
  ASSERT_THAT(f.Last<RungClosed>(), SizeIs(1));
  EXPECT_TRUE(f.Last<RungClosed>()[0].drained);
  EXPECT_THAT(f.Last<RungClosed>()[0].promoted, ElementsAre(1)) << "floor(3 / 2)";
  f.Complete(f.Take("w"), 0.5);
  f.Complete(f.Take("w"), 0.5);
  EXPECT_THAT(f.Results(), ElementsAre(8, 3, 1, 1));
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
  EXPECT_EQ(f.study().end_reason(), "max_rounds 1 reached");
}

TEST(Rule5Drain, ALevelOfDivergedAndFailedTrialsClosesAndTheNextOneUpIsDrained) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 16}));
  std::vector<Assignment> held = f.TakeMany(9);
  for (int i = 0; i < 8; ++i) f.Complete(held[i], i < 2 ? i : NAN);
  for (int i = 0; i < 2; ++i) f.Complete(f.Take("w"), i);  // Two wait at the second rung.
  f.Fail(held[8], /*retryable=*/false);
  // 11 of 16 are handed out: five new trials fit, and diverge.
  for (int i = 0; i < 3; ++i) f.Complete(f.Take("w"), NAN);
  EXPECT_EQ(f.study().state(), StudyState::kRunning);
  while (std::optional<Assignment> next = f.AskFor("w")) f.Complete(*next, NAN);
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
  EXPECT_EQ(f.study().evaluations() + f.study().failed_trials(), 16);
}

TEST(Rule5Drain, NothingFiniteAtALevelStillLetsTheLevelAboveGoOn) {
  SchedulerFixture f(SmallSpec({.max_rounds = 1}));
  Round(f, {1, 2, NAN, NAN, NAN, NAN, NAN, NAN});
  const std::vector<Assignment> second = f.TakeMany(2);
  f.Complete(second[0], NAN);
  f.Complete(second[1], NAN);
  ASSERT_THAT(f.Last<RungClosed>(), SizeIs(1));
  EXPECT_THAT(f.Last<RungClosed>()[0].promoted, IsEmpty());
  EXPECT_THAT(f.Last<RungClosed>()[0].eliminated, ElementsAre(1, 2));
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
}

TEST(Rule5Drain, WaitsForWhatStillRuns) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 12}));
  const std::vector<Assignment> held = f.TakeMany(7);
  for (int i = 0; i < 6; ++i) f.Complete(held[i], i);
  f.AdvanceAndTick(absl::Seconds(59));
  EXPECT_THAT(f.All<RungClosed>(), IsEmpty());
  f.Complete(held[6], 6);
  EXPECT_THAT(f.All<RungClosed>(), SizeIs(1));
}

TEST(Rule5Drain, WaitsForWhatIsQueued) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 12}));
  const std::vector<Assignment> held = f.TakeMany(7);
  for (int i = 0; i < 6; ++i) f.Complete(held[i], i);
  f.Return(held[6]);
  EXPECT_THAT(f.All<RungClosed>(), IsEmpty());
  EXPECT_EQ(f.Take("w").lease.trial, 7);
}

TEST(Rule5Drain, DoesNotHappenWhilePaused) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 12}));
  const std::vector<Assignment> held = f.TakeMany(7);
  f.Do(PauseStudy{.name = "s"});
  for (int i = 0; i < 7; ++i) f.Complete(held[i], i);
  EXPECT_THAT(f.All<RungClosed>(), IsEmpty());
  EXPECT_EQ(f.study().state(), StudyState::kPaused);
  f.Do(ResumeStudy{.name = "s"});
  EXPECT_THAT(f.Last<RungClosed>(), SizeIs(1));
}

TEST(Rule5Drain, OfRoundsWithRungsOfTheirOwnDrainsEachFromTheLowestLevel) {
  StudySpec spec = SmallSpec({.max_evaluations = 28});
  spec.policy = PolicyKind::kHalvingPerRound;
  SchedulerFixture f(spec);
  while (std::optional<Assignment> next = f.AskFor("w")) f.Complete(*next, next->lease.trial);
  std::vector<RungClosed> drained = f.All<RungClosed>();
  std::erase_if(drained, [](const RungClosed& closed) { return !closed.drained; });
  // Round 1 takes 15 and seven of round 2 fit. Three of these go on, and one of the three; then
  // the eighth fits, and goes on alone.
  ASSERT_THAT(drained, SizeIs(3));
  for (const RungClosed& closed : drained) EXPECT_EQ(closed.group.round, 2);
  EXPECT_THAT(f.Results(), ElementsAre(16, 8, 3, 1));
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
}

}  // namespace
}  // namespace halving
