// Rule 7: limits are exact, and what ends or pauses a study.
#include <cmath>
#include <string>
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

constexpr absl::Duration kLease = absl::Seconds(60);

// (trial, rung) pairs handed out, once each whatever the attempts.
int64_t PairsHandedOut(const SchedulerFixture& f) {
  int64_t pairs = 0;
  for (TrialId id = 1; id <= f.study().trials(); ++id) {
    pairs += f.trial(id).rung + (f.trial(id).charged ? 1 : 0);
  }
  return pairs;
}

TEST(Rule7Limits, MaxEvaluationsCountsWhatIsRunning) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 5}));
  f.TakeMany(5);
  EXPECT_EQ(f.AskFor("w6"), std::nullopt);
  EXPECT_EQ(f.study().state(), StudyState::kRunning) << "five still run";
}

class ExactLimits : public testing::TestWithParam<int> {};

TEST_P(ExactLimits, MaxEvaluationsIsReachedAndNeverPassedWhateverTheWorkers) {
  for (int limit = 1; limit <= 50; ++limit) {
    SCOPED_TRACE(absl::StrCat("max_evaluations ", limit));
    SchedulerFixture f(SmallSpec({.max_evaluations = limit}));
    std::vector<Assignment> held;
    do {
      held.clear();
      for (int i = 0; i < GetParam(); ++i) {
        if (std::optional<Assignment> next = f.AskFor("w")) held.push_back(*std::move(next));
      }
      ASSERT_LE(PairsHandedOut(f), limit);
      for (const Assignment& a : held) f.Complete(a, a.lease.trial);
    } while (!held.empty());
    EXPECT_EQ(f.study().evaluations(), limit);
    EXPECT_EQ(f.study().state(), StudyState::kCompleted);
  }
}

TEST_P(ExactLimits, MaxTotalEpochsIsNeverPassedWhateverTheWorkers) {
  for (int limit = 1; limit <= 80; ++limit) {
    SCOPED_TRACE(absl::StrCat("max_total_epochs ", limit));
    SchedulerFixture f(SmallSpec({.max_total_epochs = limit}));
    std::vector<Assignment> held;
    do {
      held.clear();
      for (int i = 0; i < GetParam(); ++i) {
        if (std::optional<Assignment> next = f.AskFor("w")) held.push_back(*std::move(next));
      }
      for (const Assignment& a : held) f.Complete(a, a.lease.trial);
    } while (!held.empty());
    EXPECT_LE(f.study().epochs_trained(), limit);
    EXPECT_GT(f.study().epochs_trained(), limit - 2) << "no new trial of 2 epochs would fit";
    EXPECT_EQ(f.study().state(), StudyState::kCompleted);
  }
}

INSTANTIATE_TEST_SUITE_P(Rule7Limits, ExactLimits, testing::Values(1, 3, 30));

TEST(Rule7Limits, AnEvaluationIsCountedOnceWhateverTheAttempts) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 2}));
  for (int i = 0; i < 5; ++i) f.Return(f.Take("w1"));
  f.Fail(f.Take("w1"));
  f.Complete(f.Take("w1"), 0.5);
  f.Complete(f.Take("w1"), 0.5);
  EXPECT_EQ(f.study().evaluations(), 2);
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
}

TEST(Rule7Limits, FailingForGoodCounts) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 3}));
  f.Complete(f.Take("w1"), 0.5);
  f.Fail(f.Take("w1"), /*retryable=*/false);
  f.Fail(f.Take("w1"), /*retryable=*/false);
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
  EXPECT_EQ(f.study().evaluations(), 1);
}

TEST(Rule7Limits, EpochsAreChargedAtTheFirstHandOutAndNeverGivenBack) {
  SchedulerFixture f(SmallSpec({.max_total_epochs = 6}));
  const Assignment first = f.Take("w1");
  f.Progressed(first, {.points = {{1, 0.9}}});
  f.Fail(first);  // Its one epoch is lost, and trained again.
  f.Complete(f.Take("w1"), 0.5);
  f.Fail(f.Take("w1"), /*retryable=*/false);  // Two epochs were charged, none was trained.
  f.Complete(f.Take("w1"), 0.7);
  EXPECT_EQ(f.AskFor("w1"), std::nullopt);
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
  EXPECT_EQ(f.study().epochs_trained(), 5);
  EXPECT_EQ(f.study().epochs_lost(), 1);
}

TEST(Rule7Limits, OfWhatIsQueuedTheFirstThatFitsIsHandedOut) {
  // 16 epochs for the first rung, and 18 above it if every promotion resumes.
  SchedulerFixture f(SmallSpec({.max_total_epochs = 34}));
  for (const Assignment& a : f.TakeMany(8)) {
    a.lease.trial <= 3 ? f.CompleteWithout(a, a.lease.trial) : f.Complete(a, a.lease.trial);
  }
  // Three of four start from scratch: 3 * 4 + 2 makes 30.
  for (const Assignment& a : f.TakeMany(4)) {
    a.lease.trial == 1 ? f.CompleteWithout(a, 1) : f.Complete(a, a.lease.trial);
  }
  // Trial 1 is first in the queue and needs 8 epochs; trial 2 resumes and needs 4.
  const Assignment next = f.Take("w1");
  EXPECT_EQ(next.lease.trial, 2);
  EXPECT_EQ(next.to_epoch - next.from_epoch, 4);
  EXPECT_EQ(f.AskFor("w2"), std::nullopt);
  f.Complete(next, 2);
  EXPECT_EQ(f.study().state(), StudyState::kCompleted) << "nothing more fits, and nothing runs";
  EXPECT_EQ(f.StateOf(1), TrialState::kStopped);
}

TEST(Rule7Limits, WhatIsQueuedAndDoesNotFitIsNotOvertakenByNewTrials) {
  SchedulerFixture f(SmallSpec({.max_total_epochs = 36}));
  for (const Assignment& a : f.TakeMany(8)) {
    a.lease.trial <= 3 ? f.CompleteWithout(a, a.lease.trial) : f.Complete(a, a.lease.trial);
  }
  for (const Assignment& a : f.TakeMany(4)) {
    a.lease.trial == 1 ? f.CompleteWithout(a, 1) : f.Complete(a, a.lease.trial);
  }
  f.Complete(f.Take("w1"), 2);  // Trial 2, as above. Two epochs are left, and trial 1 needs eight.
  const Assignment last = f.Take("w1");
  EXPECT_EQ(last.lease.trial, 2) << "a drain has a use for them";
  EXPECT_EQ(last.to_epoch, 10);
  f.Complete(last, 2);
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
  EXPECT_EQ(f.study().trials(), 8);
}

TEST(Rule7Limits, CompletedWithTheReasonWhenNothingMoreCanBeHandedOutAndNothingRuns) {
  SchedulerFixture f(SmallSpec({.max_rounds = 1}));
  while (std::optional<Assignment> next = f.AskFor("w1")) {
    EXPECT_EQ(f.study().end_time(), std::nullopt);
    f.Advance(absl::Seconds(1));
    f.Complete(*next, next->lease.trial);
  }
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
  EXPECT_EQ(f.study().end_reason(), "max_rounds 1 reached");
  EXPECT_EQ(f.study().end_time(), f.now());
  EXPECT_THAT(f.Results(), ElementsAre(8, 4, 2, 1));
}

TEST(Rule7Limits, ALimitBelowTheFirstTrialCompletesTheStudyAtOnce) {
  SchedulerFixture f(SmallSpec({.max_total_epochs = 1}));
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
}

// ---- what ends a study at once

// Trials 1 and 2 run, 3 waits, 4 is queued; all are STOPPED when the study ends.
std::vector<Assignment> OneOfEach(SchedulerFixture& f) {
  std::vector<Assignment> held = f.TakeMany(4);
  f.Complete(held[2], 0.5);
  f.Return(held[3]);
  return held;
}

void ExpectAllStopped(const SchedulerFixture& f) {
  for (TrialId id = 1; id <= 4; ++id) {
    EXPECT_EQ(f.StateOf(id), TrialState::kStopped) << "trial " << id;
  }
  EXPECT_EQ(f.scheduler().leases().size(), 0);
}

TEST(Rule7TargetError, EndsTheStudyAtOnceInOneTransaction) {
  SchedulerFixture f(SmallSpec({.target_error = 0.1}));
  const std::vector<Assignment> held = OneOfEach(f);
  const Assignment last = f.Take("w5");  // The queued one.
  const Assignment more = f.Take("w6");
  f.Return(last);
  f.Complete(more, 0.05);
  ASSERT_THAT(f.Last<StudyEnded>(), SizeIs(1)) << "in the same Execute()";
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
  EXPECT_EQ(f.study().end_reason(), "target_error 0.1 reached by trial 5");
  ExpectAllStopped(f);
  EXPECT_TRUE(f.Progressed(held[0]).stop);
  EXPECT_EQ(f.AskFor("w1"), std::nullopt);
}

TEST(Rule7TargetError, CountsAtAnyRungAtOrBelowIt) {
  SchedulerFixture f(SmallSpec({.target_error = 0.25}));
  for (const Assignment& a : f.TakeMany(8)) f.Complete(a, 0.25 + 0.125 * a.lease.trial);
  EXPECT_EQ(f.study().state(), StudyState::kRunning);
  f.Complete(f.Take("w1"), 0.25);
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
}

TEST(Rule7TargetError, IsNotReachedByADivergedResult) {
  SchedulerFixture f(SmallSpec({.target_error = 0.1}));
  f.Complete(f.Take("w1"), NAN);
  f.Complete(f.Take("w1"), -INFINITY);
  EXPECT_EQ(f.study().state(), StudyState::kRunning);
}

TEST(Rule7TargetError, EndsAPausedStudyToo) {
  SchedulerFixture f(SmallSpec({.target_error = 0.1}));
  const Assignment a = f.Take("w1");
  f.Do(PauseStudy{.name = "s"});
  f.Complete(a, 0.1);
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
}

TEST(Rule7WallTime, EndsTheStudyAtOnce) {
  SchedulerFixture f(SmallSpec({.max_wall_time = absl::Seconds(50)}));
  f.AdvanceAndTick(absl::ZeroDuration());
  OneOfEach(f);
  f.AdvanceAndTick(absl::Seconds(49));
  EXPECT_EQ(f.study().state(), StudyState::kRunning);
  f.AdvanceAndTick(absl::Seconds(1));
  ASSERT_THAT(f.Last<StudyEnded>(), SizeIs(1));
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
  EXPECT_EQ(f.study().end_reason(), "max_wall_time 50s reached");
  ExpectAllStopped(f);
}

TEST(Rule7WallTime, CountsNeitherPausesNorDowntime) {
  SchedulerFixture f(SmallSpec({.max_wall_time = absl::Minutes(10)}));
  f.AdvanceAndTick(absl::Minutes(4));
  f.Do(PauseStudy{.name = "s"});
  f.AdvanceAndTick(absl::Hours(1));
  f.Do(ResumeStudy{.name = "s"});
  f.AdvanceAndTick(absl::Minutes(4));
  f.Restart(/*downtime=*/absl::Hours(1));
  f.AdvanceAndTick(absl::Minutes(2) - absl::Seconds(1));
  EXPECT_EQ(f.study().state(), StudyState::kRunning);
  f.AdvanceAndTick(absl::Seconds(1));
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
}

TEST(Rule7WallTime, WithoutThatLimitItIsCountedBesideWhatIsWrittenAnyway) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  f.AdvanceAndTick(absl::Minutes(9));
  EXPECT_THAT(f.All<RunningTimeCounted>(), IsEmpty()) << "nothing is written for it alone";
  const Assignment work = f.Take("w");
  f.Advance(absl::Seconds(50));
  f.Complete(work, 0.5);
  EXPECT_THAT(f.All<RunningTimeCounted>(), SizeIs(1)) << "once a minute at most";
  f.Advance(absl::Minutes(1));
  f.Complete(f.Take("w"), 0.5);
  f.Restart(/*downtime=*/absl::Hours(1));
  EXPECT_EQ(f.study().RunningTime(f.now()), absl::Minutes(10) + absl::Seconds(50));
}

TEST(Rule7WallTime, MaxWallTimeCountsNoTimeInWhichTheServerStoodStill) {
  SchedulerFixture f(SmallSpec({.max_wall_time = absl::Hours(10)}));
  f.Take("w");
  f.AdvanceAndTick(absl::Hours(3));
  f.Advance(absl::Hours(8));
  f.Do(Tick{.paused_for = absl::Hours(8)});
  EXPECT_EQ(f.study().state(), StudyState::kRunning);
  EXPECT_EQ(f.study().RunningTime(f.now()), absl::Hours(3));
  f.AdvanceAndTick(absl::Hours(7));
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
}

TEST(Rule7WallTime, IsJournaledEachMinuteSoThatACrashLosesNoMore) {
  SchedulerFixture f(SmallSpec({.max_wall_time = absl::Hours(10)}));
  for (int second = 0; second < 600; ++second) f.AdvanceAndTick(absl::Seconds(1));
  EXPECT_THAT(f.All<RunningTimeCounted>(), SizeIs(10));
  f.AdvanceAndTick(absl::Seconds(59));
  f.Restart();
  EXPECT_EQ(f.study().RunningTime(f.now()), absl::Minutes(10));
}

TEST(Rule7WallTime, WakesTheEngineInTime) {
  SchedulerFixture f(SmallSpec({.max_wall_time = absl::Seconds(50)}));
  f.AdvanceAndTick(absl::Seconds(1));
  EXPECT_LE(f.scheduler().NextDue(), f.now() + absl::Seconds(1));
}

TEST(Rule7Stop, EndsTheStudyAtOnceAndMayBeRepeated) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  const std::vector<Assignment> held = OneOfEach(f);
  f.Do(StopStudy{.name = "s"});
  ASSERT_THAT(f.Last<StudyEnded>(), SizeIs(1));
  EXPECT_EQ(f.study().state(), StudyState::kStopped);
  EXPECT_EQ(f.study().end_reason(), "stopped by request");
  ExpectAllStopped(f);
  EXPECT_TRUE(f.Progressed(held[0]).stop);
  EXPECT_EQ(f.trial(3).results.size(), 1u) << "results are kept";
  EXPECT_EQ(f.Do(StopStudy{.name = "s"}).study, 1);
  EXPECT_THAT(f.Last<StudyEnded>(), IsEmpty());
}

TEST(Rule7Stop, EndsAPausedStudyToo) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  f.Do(PauseStudy{.name = "s"});
  f.Do(StopStudy{.name = "s"});
  EXPECT_EQ(f.study().state(), StudyState::kStopped);
}

TEST(Rule7FailedFirstRound, EndsTheStudyAtOnce) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  const std::vector<Assignment> held = f.TakeMany(9);
  for (int i = 0; i < 7; ++i) f.Fail(held[i], /*retryable=*/false);
  EXPECT_EQ(f.study().state(), StudyState::kRunning);
  f.Fail(held[7], /*retryable=*/false);
  ASSERT_THAT(f.Last<StudyEnded>(), SizeIs(1));
  EXPECT_EQ(f.study().state(), StudyState::kFailed);
  EXPECT_THAT(f.study().end_reason(), HasSubstr("the first 8 trials all failed"));
  EXPECT_THAT(f.study().end_reason(), HasSubstr("out of memory"));
  EXPECT_EQ(f.StateOf(8), TrialState::kFailed);
  EXPECT_EQ(f.StateOf(9), TrialState::kStopped);
}

TEST(Rule7FailedFirstRound, DivergedIsNotFailed) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 100}));
  f.Complete(f.Take("w1"), NAN);
  for (int i = 0; i < 20; ++i) f.Fail(f.Take("w1"), /*retryable=*/false);
  EXPECT_EQ(f.study().state(), StudyState::kRunning) << "an error was reported";
}

TEST(Rule7FailedFirstRound, ALimitBelowARoundIsReachedWithFailuresOnly) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 3}));
  for (int i = 0; i < 3; ++i) f.Fail(f.Take("w1"), /*retryable=*/false);
  EXPECT_EQ(f.study().state(), StudyState::kFailed);
  EXPECT_THAT(f.study().end_reason(), HasSubstr("every trial failed"));
}

// ---- pause

TEST(Rule7Paused, HandsOutNothingPromotionsAndRetriesIncluded) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 100}));
  const std::vector<Assignment> held = f.TakeMany(10);
  for (int i = 0; i < 8; ++i) f.Complete(held[i], i);
  f.Fail(held[8]);
  f.Do(PauseStudy{.name = "s"});
  EXPECT_EQ(f.AskFor("w1"), std::nullopt);
  EXPECT_EQ(f.study().queued(), 5);
  f.Do(ResumeStudy{.name = "s"});
  EXPECT_EQ(f.Take("w1").lease.trial, 9);
}

TEST(Rule7Paused, ReportsCountAndFullLevelsClose) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  const std::vector<Assignment> held = f.TakeMany(8);
  f.Do(PauseStudy{.name = "s"});
  for (const Assignment& a : held) {
    f.Progressed(a, {.points = {{1, 0.5}}});
    f.Complete(a, a.lease.trial);
  }
  EXPECT_EQ(f.study().evaluations(), 8);
  EXPECT_THAT(f.Last<RungClosed>(), SizeIs(1));
  EXPECT_EQ(f.study().state(), StudyState::kPaused);
}

TEST(Rule7Paused, LeasesExpireAllTheSame) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  f.Take("w1");
  f.Do(PauseStudy{.name = "s"});
  f.AdvanceAndTick(kLease);
  EXPECT_EQ(f.StateOf(1), TrialState::kQueued);
  EXPECT_EQ(f.AskFor("w1"), std::nullopt);
}

TEST(Rule7Paused, IsNeverCompletedForWantOfWork) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 1}));
  const Assignment a = f.Take("w1");
  f.Do(PauseStudy{.name = "s"});
  f.Complete(a, 0.5);
  EXPECT_EQ(f.study().state(), StudyState::kPaused);
  f.Do(ResumeStudy{.name = "s"});
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
}

TEST(Rule7Paused, ACommandThatIsCarriedOutIsOkThoughTheStudyEndsByIt) {
  SchedulerFixture f(SmallSpec({.max_wall_time = absl::Minutes(1)}));
  f.AdvanceAndTick(absl::Seconds(59.9));
  f.Advance(absl::Seconds(0.2));  // Less than the second between two looks at the clock.
  EXPECT_THAT(f.Execute(PauseStudy{.name = "s"}), IsOk());
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
}

TEST(Rule7Paused, PauseAndResumeMayBeRepeated) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  f.Do(ResumeStudy{.name = "s"});
  f.Do(PauseStudy{.name = "s"});
  f.Do(PauseStudy{.name = "s"});
  f.Do(ResumeStudy{.name = "s"});
  f.Do(ResumeStudy{.name = "s"});
  EXPECT_THAT(f.All<StudyPaused>(), SizeIs(1));
  EXPECT_THAT(f.All<StudyResumed>(), SizeIs(1));
}

TEST(Rule7Paused, AStudyThatEndedCanBeNeitherPausedNorResumed) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  f.Do(StopStudy{.name = "s"});
  EXPECT_THAT(f.Execute(PauseStudy{.name = "s"}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is STOPPED")));
  EXPECT_THAT(f.Execute(ResumeStudy{.name = "s"}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is STOPPED")));
}

// ---- extension

TEST(Rule7Extend, ReopensACompletedStudyWithItsTrialsAsTheyStood) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 20}));
  while (std::optional<Assignment> next = f.AskFor("w1")) f.Complete(*next, next->lease.trial);
  ASSERT_THAT(f.Results(), ElementsAre(13, 4, 2, 1));
  EXPECT_EQ(f.StateOf(13), TrialState::kStopped);
  f.Do(ExtendStudy{.name = "s", .limits = {.max_evaluations = 30}});
  EXPECT_EQ(f.study().state(), StudyState::kRunning);
  EXPECT_EQ(f.study().end_time(), std::nullopt);
  EXPECT_EQ(f.StateOf(13), TrialState::kWaiting);
  while (std::optional<Assignment> next = f.AskFor("w1")) f.Complete(*next, next->lease.trial);
  EXPECT_THAT(f.Results(), ElementsAre(16, 8, 4, 2)) << "as if it had been 30 from the start";
}

TEST(Rule7Extend, AfterTargetErrorTheRunningTrialsAreFirstInTheQueue) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 100, .target_error = 0.1}));
  const std::vector<Assignment> held = f.TakeMany(11);
  for (int i = 0; i < 7; ++i) f.Complete(held[i], 1 + i);
  f.Complete(held[7], 0.1);  // The level is full as well, but the study ends first.
  EXPECT_THAT(f.Last<RungClosed>(), IsEmpty());
  f.Do(ExtendStudy{.name = "s", .limits = {.target_error = 0.01}});
  ASSERT_THAT(f.Last<RungClosed>(), SizeIs(1));
  EXPECT_THAT(f.Last<RungClosed>()[0].promoted, ElementsAre(8, 1, 2, 3));
  EXPECT_THAT(f.NextTrials(7), ElementsAre(8, 1, 2, 3, 9, 10, 11));
  EXPECT_EQ(f.trial(9).failures, 0);
}

TEST(Rule7Extend, AfterTargetErrorAWorkerThatStillTrainsGoesOn) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 100, .target_error = 0.1}));
  const std::vector<Assignment> held = f.TakeMany(3);
  f.Complete(held[0], 0.1);
  EXPECT_TRUE(f.Progressed(held[1]).stop);
  f.Do(ExtendStudy{.name = "s", .limits = {.target_error = 0.01}});
  EXPECT_FALSE(f.Progressed(held[1]).stop);
  EXPECT_EQ(f.StateOf(2), TrialState::kRunning);
  f.Complete(held[2], 0.5);
  EXPECT_EQ(f.StateOf(3), TrialState::kWaiting);
  f.AdvanceAndTick(kLease);
  EXPECT_EQ(f.StateOf(2), TrialState::kQueued) << "its lease is a live one again";
  EXPECT_EQ(f.trial(2).failures, 1);
}

TEST(Rule7Extend, ATargetThatWasReachedDoesNotEndTheStudyAgainByItself) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30, .target_error = 0.1}));
  f.Complete(f.Take("w1"), 0.05);
  f.Do(ExtendStudy{.name = "s", .limits = {.max_evaluations = 45}});
  EXPECT_EQ(f.study().state(), StudyState::kRunning);
  f.Complete(f.Take("w1"), 0.5);
  EXPECT_EQ(f.study().state(), StudyState::kRunning);
  f.Complete(f.Take("w1"), 0.1);
  EXPECT_EQ(f.study().state(), StudyState::kCompleted) << "the next one to reach it does";
}

TEST(Rule7Extend, WallTimeGoesOnFromWhereItWas) {
  SchedulerFixture f(SmallSpec({.max_wall_time = absl::Minutes(1)}));
  f.AdvanceAndTick(absl::Minutes(1));
  ASSERT_EQ(f.study().state(), StudyState::kCompleted);
  f.AdvanceAndTick(absl::Hours(1));
  f.Do(ExtendStudy{.name = "s", .limits = {.max_wall_time = absl::Minutes(3)}});
  f.AdvanceAndTick(absl::Seconds(119));
  EXPECT_EQ(f.study().state(), StudyState::kRunning);
  f.AdvanceAndTick(absl::Seconds(1));
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
}

TEST(Rule7Extend, WithAnotherLimitThatIsStillReachedTheStudyEndsAgain) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30, .max_rounds = 1}));
  while (std::optional<Assignment> next = f.AskFor("w1")) f.Complete(*next, next->lease.trial);
  f.Do(ExtendStudy{.name = "s", .limits = {.max_evaluations = 60}});
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
  EXPECT_EQ(f.study().end_reason(), "max_rounds 1 reached");
}

TEST(Rule7Extend, RaisesTheLimitsOfARunningOrPausedStudyAndLeavesItsState) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 15}));
  f.TakeMany(8);
  EXPECT_EQ(f.AskFor("w9"), std::nullopt);
  f.Do(ExtendStudy{.name = "s", .limits = {.max_evaluations = 16}});
  EXPECT_EQ(f.Take("w9").lease.trial, 9);
  f.Do(PauseStudy{.name = "s"});
  f.Do(ExtendStudy{.name = "s", .limits = {.max_evaluations = 30}});
  EXPECT_EQ(f.study().state(), StudyState::kPaused);
}

TEST(Rule7Extend, MayBeRepeated) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 1}));
  f.Complete(f.Take("w1"), 0.5);
  f.Do(ExtendStudy{.name = "s", .limits = {.max_evaluations = 2}});
  f.Complete(f.Take("w1"), 0.5);
  ASSERT_EQ(f.study().state(), StudyState::kCompleted);
  f.Do(ExtendStudy{.name = "s", .limits = {.max_evaluations = 2}});
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
  EXPECT_THAT(f.Last<StudyExtended>(), IsEmpty());
}

TEST(Rule7Extend, IsRefusedForAStoppedOrFailedStudyAndForLowerLimits) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 3}));
  EXPECT_THAT(f.Execute(ExtendStudy{.name = "s", .limits = {.max_evaluations = 2}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("from 3 to 2")));
  for (int i = 0; i < 3; ++i) f.Fail(f.Take("w1"), /*retryable=*/false);
  EXPECT_THAT(f.Execute(ExtendStudy{.name = "s", .limits = {.max_evaluations = 9}}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is FAILED")));
  StudySpec other = SmallSpec({.max_evaluations = 3});
  other.name = "other";
  f.Create(other);
  f.Do(StopStudy{.name = "other"});
  EXPECT_THAT(f.Execute(ExtendStudy{.name = "other", .limits = {.max_evaluations = 9}}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is STOPPED")));
}

}  // namespace
}  // namespace halving
