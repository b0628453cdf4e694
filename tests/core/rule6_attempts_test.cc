// Rule 6: attempts, what is a failure and what is none, and who may hold a worker id.
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
constexpr absl::Duration kTick = absl::Nanoseconds(1);

const Limits kTwoRounds = {.max_evaluations = 30};

TEST(Rule6Attempts, EachHandOutIsANewAttemptAndTheNumberNeverRepeats) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  for (int32_t attempt = 1; attempt <= 3; ++attempt) {
    const Assignment a = f.Take("w1");
    EXPECT_EQ(a.lease, (LeaseKey{.study = 1, .trial = 1, .attempt = attempt}));
    f.Return(a);
  }
  const std::vector<Assignment> held = f.TakeMany(8);
  EXPECT_EQ(held[0].lease.attempt, 4);
  for (const Assignment& a : held) f.Complete(a, a.lease.trial);
  EXPECT_EQ(f.Take("w1").lease.attempt, 5) << "at the next rung it goes on counting";
}

TEST(Rule6Attempts, ALeaseExpiresAtItsEndAndNotBefore) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  f.Take("w1");
  f.AdvanceAndTick(kLease - kTick);
  EXPECT_EQ(f.StateOf(1), TrialState::kRunning);
  f.AdvanceAndTick(kTick);
  EXPECT_EQ(f.StateOf(1), TrialState::kQueued);
  ASSERT_THAT(f.Last<AttemptFailed>(), SizeIs(1));
  EXPECT_EQ(f.Last<AttemptFailed>()[0].cause, FailureCause::kExpired);
  EXPECT_THAT(f.trial(1).Failure(), HasSubstr("worker w1 was silent for 1m"));
}

TEST(Rule6Attempts, EveryReportOfProgressGivesTheLeaseItsFullTimeAgain) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Assignment a = f.Take("w1");
  for (int i = 0; i < 5; ++i) {
    f.Advance(kLease - kTick);
    f.Progressed(a);
  }
  f.AdvanceAndTick(kLease - kTick);
  EXPECT_EQ(f.StateOf(1), TrialState::kRunning);
  f.AdvanceAndTick(kTick);
  EXPECT_EQ(f.StateOf(1), TrialState::kQueued);
}

TEST(Rule6Attempts, AnyCommandSeesWhatHasExpired) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  f.Take("w1");
  f.Advance(kLease);
  EXPECT_EQ(f.Take("w2").lease, (LeaseKey{.study = 1, .trial = 1, .attempt = 2}));
}

TEST(Rule6Attempts, AFailedTrialIsRetriedBeforeEverythingElse) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const std::vector<Assignment> held = f.TakeMany(9);
  for (int i = 0; i < 8; ++i) f.Complete(held[i], i);
  f.Fail(held[8]);  // Four promotions are queued, and it goes before them.
  EXPECT_THAT(f.NextTrials(5), ElementsAre(9, 1, 2, 3, 4));
}

TEST(Rule6Attempts, AnExpiredTrialIsRetriedBeforeEverythingElse) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const std::vector<Assignment> held = f.TakeMany(9);
  for (int i = 0; i < 8; ++i) f.Complete(held[i], i);
  f.AdvanceAndTick(kLease);
  EXPECT_THAT(f.NextTrials(5), ElementsAre(9, 1, 2, 3, 4));
}

TEST(Rule6Attempts, ThreeFailuresAreAnOutcomeThatClosesTheRung) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const std::vector<Assignment> held = f.TakeMany(8);
  for (int i = 0; i < 7; ++i) f.Complete(held[i], i);
  f.Fail(held[7]);  // A retryable one,
  f.AdvanceAndTick(absl::ZeroDuration());
  const Assignment second = f.Take("w1");
  EXPECT_EQ(second.lease.trial, 8);
  f.AdvanceAndTick(kLease);  // a lost lease,
  EXPECT_EQ(f.StateOf(8), TrialState::kQueued);
  EXPECT_EQ(f.trial(8).failures, 2);
  EXPECT_THAT(f.All<RungClosed>(), IsEmpty());
  f.AskWith({.worker = "w2", .incarnation = "one"});
  f.AskWith({.worker = "w2", .incarnation = "two"});  // and a lost incarnation.
  EXPECT_EQ(f.StateOf(8), TrialState::kFailed);
  ASSERT_THAT(f.Last<RungClosed>(), SizeIs(1));
  EXPECT_THAT(f.Last<RungClosed>()[0].promoted, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(f.Last<RungClosed>()[0].eliminated, ElementsAre(5, 6, 7, 8));
  EXPECT_EQ(f.study().failed_trials(), 1);
}

TEST(Rule6Attempts, MaxAttemptsIsTheStudys) {
  StudySpec spec = SmallSpec(kTwoRounds);
  spec.max_attempts = 1;
  SchedulerFixture f(spec);
  f.Fail(f.Take("w1"));
  EXPECT_EQ(f.StateOf(1), TrialState::kFailed);
}

TEST(Rule6Attempts, FailuresAreCountedAtEachRungAnew) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  f.Fail(f.Take("w1"));
  f.Fail(f.Take("w1"));
  EXPECT_EQ(f.trial(1).failures, 2);
  for (const Assignment& a : f.TakeMany(8)) f.Complete(a, a.lease.trial);
  EXPECT_EQ(f.trial(1).failures, 0);
  f.Fail(f.Take("w1"));
  f.Fail(f.Take("w1"));
  EXPECT_EQ(f.StateOf(1), TrialState::kQueued);
  f.Fail(f.Take("w1"));
  EXPECT_EQ(f.StateOf(1), TrialState::kFailed);
}

TEST(Rule6Attempts, AFailureThatIsNotRetryableIsForGoodAtOnce) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  f.Fail(f.Take("w1"), /*retryable=*/false);
  EXPECT_EQ(f.StateOf(1), TrialState::kFailed);
  EXPECT_EQ(f.trial(1).Failure(), "out of memory");
  EXPECT_EQ(f.Take("w1").lease.trial, 2);
}

TEST(Rule6Attempts, FailingForGoodAboveTheFirstRungIsAnOutcomeThere) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  for (const Assignment& a : f.TakeMany(8)) f.Complete(a, a.lease.trial);
  const std::vector<Assignment> second = f.TakeMany(4);
  for (int i = 0; i < 3; ++i) f.Complete(second[i], i);
  f.Fail(second[3], /*retryable=*/false);
  ASSERT_THAT(f.Last<RungClosed>(), SizeIs(1));
  EXPECT_EQ(f.Last<RungClosed>()[0].rung, 1);
  EXPECT_THAT(f.Last<RungClosed>()[0].promoted, ElementsAre(1, 2));
}

TEST(Rule6Attempts, ATrialGivenBackByALeavingWorkerIsNoFailure) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  for (int i = 0; i < 10; ++i) f.Return(f.Take("w1"));
  EXPECT_EQ(f.trial(1).failures, 0);
  EXPECT_EQ(f.trial(1).attempts, 10);
  EXPECT_EQ(f.trial(1).Failure(), "leaving") << "the reason is kept to be seen";
  EXPECT_EQ(f.Take("w2").lease.trial, 1) << "and it goes before everything else";
}

TEST(Rule6Attempts, AServerRestartIsNoFailureAndEveryOpenLeaseHasItsFullTimeAgain) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  f.Take("w1");
  f.AdvanceAndTick(kLease - kTick);
  f.Restart(/*downtime=*/absl::Hours(5));
  f.AdvanceAndTick(kLease - kTick);
  EXPECT_EQ(f.StateOf(1), TrialState::kRunning);
  EXPECT_EQ(f.trial(1).failures, 0);
  f.AdvanceAndTick(kTick);
  EXPECT_EQ(f.trial(1).failures, 1);
}

TEST(Rule6Attempts, AServerThatStoodStillBlamesNoWorker) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  f.Take("w1");
  f.Advance(absl::Hours(1));
  f.Do(Tick{.paused_for = absl::Hours(1)});
  EXPECT_EQ(f.StateOf(1), TrialState::kRunning);
  f.AdvanceAndTick(kLease);
  EXPECT_EQ(f.StateOf(1), TrialState::kQueued);
}

TEST(Rule6Attempts, AFailedAttemptStaysFencedAfterALaterOneBegan) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Assignment old = f.Take("w1");
  f.AdvanceAndTick(kLease);
  f.Take("w2");
  EXPECT_THAT(f.Report(old, Completed{.error = 0.1}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("attempt 2")));
  EXPECT_EQ(f.study().evaluations(), 0);
}

// ---- incarnations

TEST(Rule6Incarnations, ANewOneTakesTheWorkerIdOverAndTheOldLeasesAreLostAtOnce) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  f.AskWith({.worker = "w1", .incarnation = "one"});
  const std::optional<Assignment> next = f.AskWith({.worker = "w1", .incarnation = "two"});
  ASSERT_THAT(f.Last<AttemptFailed>(), SizeIs(1));
  EXPECT_EQ(f.Last<AttemptFailed>()[0].cause, FailureCause::kReplaced);
  EXPECT_THAT(f.trial(1).Failure(), HasSubstr("worker w1 was started anew"));
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->lease, (LeaseKey{.study = 1, .trial = 1, .attempt = 2}));
  EXPECT_EQ(f.trial(1).failures, 1);
}

TEST(Rule6Incarnations, WhatFollowsFromTheLossComesBeforeTheNextHandOut) {
  StudySpec spec = SmallSpec(kTwoRounds);
  spec.max_attempts = 1;
  SchedulerFixture f(spec);
  f.AskWith({.worker = "w0", .incarnation = "one"});
  for (const Assignment& a : f.TakeMany(7)) f.Complete(a, a.lease.trial);
  const std::optional<Assignment> next = f.AskWith({.worker = "w0", .incarnation = "two"});
  EXPECT_THAT(f.Last<RungClosed>(), SizeIs(1)) << "the loss was the eighth outcome";
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->lease.trial, 2) << "and so the best goes on, before any new trial";
}

TEST(Rule6Incarnations, SeveralLeasesLostAtOnceCloseTheLevelEachTimeItIsFull) {
  StudySpec spec = SmallSpec({.max_evaluations = 100});
  spec.max_attempts = 1;
  SchedulerFixture f(spec);
  f.Complete(f.Take("w1"), 0.5);
  for (int i = 0; i < 10; ++i) f.AskWith({.worker = "w0", .incarnation = "one"});
  f.AskWith({.worker = "w0", .incarnation = "two"});
  ASSERT_THAT(f.Last<RungClosed>(), SizeIs(1));
  EXPECT_THAT(f.Last<RungClosed>()[0].eliminated, SizeIs(7));
}

TEST(Rule6Incarnations, TheOldOnesAsksAreRefusedFromThenOn) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  f.AskWith({.worker = "w1", .incarnation = "one"});
  f.AskWith({.worker = "w1", .incarnation = "two"});
  for (const char* request : {"ask1", "new"}) {
    EXPECT_THAT(f.Execute(Ask{.worker = "w1", .request_id = request, .incarnation = "one"}),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("taken over")));
  }
  f.Restart();
  EXPECT_THAT(f.Execute(Ask{.worker = "w1", .request_id = "newer", .incarnation = "one"}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("taken over")));
}

TEST(Rule6Incarnations, TheOldOneCannotReviveItsLeaseButItsResultStillCounts) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Assignment old = *f.AskWith({.worker = "w1", .incarnation = "one"});
  f.Do(PauseStudy{.name = "s"});  // The new one shall not get the trial.
  f.AskWith({.worker = "w1", .incarnation = "two"});
  EXPECT_THAT(f.Report(old, Progress{}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("taken over")));
  f.Complete(old, 0.5);
  EXPECT_EQ(f.StateOf(1), TrialState::kWaiting);
}

TEST(Rule6Incarnations, OtherWorkersKeepTheirLeases) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  f.AskWith({.worker = "w1", .incarnation = "one"});
  f.AskWith({.worker = "w10", .incarnation = "one"});
  f.AskWith({.worker = "w1", .incarnation = "two"});
  EXPECT_EQ(f.StateOf(2), TrialState::kRunning);
}

TEST(Rule6Incarnations, AnEmptyOneNeverFencesAndMayHoldSeveralLeases) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  f.AskWith({.worker = "w1", .incarnation = "one"});
  f.AskWith({.worker = "w1"});
  f.AskWith({.worker = "w1"});
  EXPECT_EQ(f.study().running().size(), 3u);
  f.AskWith({.worker = "w1", .incarnation = "one"});
  EXPECT_EQ(f.study().running().size(), 4u) << "nor is the process fenced by it";
  EXPECT_THAT(f.All<AttemptFailed>(), IsEmpty());
}

TEST(Rule6Incarnations, TheSameOneMayAskAgainAfterTheServerWasRestarted) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Ask ask = {.worker = "w1", .request_id = "r", .incarnation = "one"};
  const std::optional<Assignment> first = f.AskWith(ask);
  f.Restart();
  const std::optional<Assignment> again = f.AskWith(ask);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->lease, first->lease);
  EXPECT_EQ(f.trial(1).failures, 0);
}

TEST(Rule6Incarnations, AWorkerThatWasForgottenStartsAgainAsItselfAlsoAfterARestart) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Ask ask = {.worker = "w1", .incarnation = "one"};
  f.Return(*f.AskWith(ask));
  f.AdvanceAndTick(absl::Hours(25));
  ASSERT_EQ(f.scheduler().workers().Find("w1"), nullptr);
  f.Return(*f.AskWith(ask));
  EXPECT_THAT(f.All<WorkerStarted>(), SizeIs(2));
  f.Restart();
  EXPECT_TRUE(f.AskWith(ask).has_value()) << "it must not be taken for its own forerunner";
}

TEST(Rule6Incarnations, AForgottenForerunnerThatComesBackOwnsTheIdAlsoAfterARestart) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  f.Return(*f.AskWith({.worker = "w1", .incarnation = "one"}));
  f.Return(*f.AskWith({.worker = "w1", .incarnation = "two"}));
  f.AdvanceAndTick(absl::Hours(25));
  ASSERT_EQ(f.scheduler().workers().Find("w1"), nullptr);
  f.Return(*f.AskWith({.worker = "w1", .incarnation = "one"}));
  f.Restart();
  EXPECT_TRUE(f.AskWith({.worker = "w1", .incarnation = "one"}).has_value());
  EXPECT_THAT(f.Execute(Ask{.worker = "w1", .request_id = "r", .incarnation = "two"}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("taken over")));
}

TEST(Rule6Incarnations, AnAskAfterTheClockWasSetBackOverARestartIsAnswered) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Ask ask = {.worker = "w1", .incarnation = "one"};
  f.Return(*f.AskWith(ask));
  f.Restart(/*downtime=*/-absl::Hours(3));
  EXPECT_TRUE(f.AskWith(ask).has_value());
}

}  // namespace
}  // namespace halving
