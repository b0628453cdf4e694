// The table of what a report gets, row by row, and what a repeated ask gets.
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
const Limits kTwoRounds = {.max_evaluations = 30};

const Completed kCompleted = {.error = 0.25,
                              .metrics = {{"loss", 1.5}, {"test_error", 0.75}},
                              .checkpoint_id = "c",
                              .train_time = absl::Seconds(3)};
const Failed kFailed = {.reason = "out of memory", .retryable = true};
const Failed kFailedForGood = {.reason = "bad config", .retryable = false};
const Returned kReturned = {.reason = "leaving", .unusable_checkpoint_id = "c"};

std::vector<CurvePoint> CurveOf(const Trial& trial) {
  std::vector<CurvePoint> points;
  for (const TrialPoint& point : trial.curve) points.push_back({point.epoch, point.error});
  return points;
}

// ---- names the current attempt of a live lease: counted once, durable, then OK

TEST(ReportOfALiveLease, CompletedIsCountedOnceWithAllItHolds) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Assignment a = f.Take("w1");
  f.Advance(absl::Seconds(5));
  const absl::StatusOr<Answer> answer = f.Report(a, kCompleted);
  ASSERT_THAT(answer, IsOk());
  EXPECT_FALSE(answer->duplicate);
  EXPECT_FALSE(answer->stop);
  EXPECT_EQ(answer->study, 1);
  ASSERT_THAT(f.trial(1).results, SizeIs(1));
  const RungResult& result = f.trial(1).results[0];
  EXPECT_EQ(result.rung, 0);
  EXPECT_EQ(result.error, 0.25);
  EXPECT_EQ(result.metrics, kCompleted.metrics);
  EXPECT_EQ(result.train_time, absl::Seconds(3));
  EXPECT_EQ(*result.worker, "w1");
  EXPECT_EQ(result.end_time, f.now());
  EXPECT_EQ(result.from_epoch, 0);
  EXPECT_EQ(result.study_epochs, 2);
  EXPECT_EQ(f.study().evaluations(), 1);
  EXPECT_THAT(f.Last<TrialReported>(), SizeIs(1)) << "an event, and so durable";
}

TEST(ReportOfALiveLease, FailedIsCountedOnce) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const absl::StatusOr<Answer> answer = f.Report(f.Take("w1"), kFailed);
  ASSERT_THAT(answer, IsOk());
  EXPECT_FALSE(answer->duplicate);
  EXPECT_EQ(f.trial(1).failures, 1);
  EXPECT_EQ(f.trial(1).Failure(), "out of memory");
}

TEST(ReportOfALiveLease, ReturnedIsCountedOnce) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const absl::StatusOr<Answer> answer = f.Report(f.Take("w1"), kReturned);
  ASSERT_THAT(answer, IsOk());
  EXPECT_FALSE(answer->duplicate);
  EXPECT_THAT(f.Last<AttemptReturned>(), SizeIs(1));
}

TEST(ReportOfALiveLease, ProgressRenewsWithoutAnEventForTheJournal) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Assignment a = f.Take("w1");
  f.Advance(absl::Milliseconds(1));
  f.Progressed(a);
  EXPECT_THAT(f.Last<LeaseRenewed>(), SizeIs(1));
  for (const LeaseRenewed& event : f.Last<LeaseRenewed>()) EXPECT_FALSE(IsDurable(event));
}

// ---- repeats one that was counted

struct FinalOutcome {
  std::string name;
  Outcome outcome;
  std::vector<Outcome> others;  // Each with other content.
};

void PrintTo(const FinalOutcome& c, std::ostream* os) { *os << c.name; }

class RepeatedReport : public testing::TestWithParam<FinalOutcome> {
 protected:
  // What the trial does between the first report and the repeat.
  void ExpectDuplicate(SchedulerFixture& f, const Assignment& a) {
    const std::string before = f.scheduler().DebugString();
    const absl::StatusOr<Answer> again = f.Report(a, GetParam().outcome);
    ASSERT_THAT(again, IsOk());
    EXPECT_TRUE(again->duplicate);
    for (const Outcome& other : GetParam().others) {
      EXPECT_THAT(f.Report(a, other),
                  StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("another outcome")));
    }
    EXPECT_EQ(f.scheduler().DebugString(), before) << "neither changed anything";
  }
};

TEST_P(RepeatedReport, OfEqualContentIsADuplicateOfOtherContentIsRefused) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Assignment a = f.Take("w1");
  ASSERT_THAT(f.Report(a, GetParam().outcome), IsOk());
  ExpectDuplicate(f, a);
}

TEST_P(RepeatedReport, AlsoAfterTheTrialWasHandedOutAgain) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const std::vector<Assignment> held = f.TakeMany(8);
  ASSERT_THAT(f.Report(held[0], GetParam().outcome), IsOk());
  for (int i = 1; i < 8; ++i) f.Complete(held[i], i);
  f.Take("w1");  // Trial 1, promoted or retried, unless it failed for good.
  ExpectDuplicate(f, held[0]);
}

TEST_P(RepeatedReport, AlsoAfterTheStudyEndedOrTheServerWasRestarted) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Assignment a = f.Take("w1");
  ASSERT_THAT(f.Report(a, GetParam().outcome), IsOk());
  f.Restart();
  ExpectDuplicate(f, a);
  f.Do(StopStudy{.name = "s"});
  ExpectDuplicate(f, a);
}

TEST_P(RepeatedReport, AlsoWhenTheFirstOneCameAfterTheLeaseHadExpired) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Assignment a = f.Take("w1");
  f.AdvanceAndTick(kLease);
  const absl::StatusOr<Answer> first = f.Report(a, GetParam().outcome);
  ASSERT_THAT(first, IsOk());
  EXPECT_FALSE(first->duplicate);
  ExpectDuplicate(f, a);
}

INSTANTIATE_TEST_SUITE_P(
    , RepeatedReport,
    testing::ValuesIn(std::vector<FinalOutcome>{
        {"Completed",
         kCompleted,
         {Completed{}, Completed{.error = 0.26, .metrics = kCompleted.metrics}, kFailed, kReturned,
          Completed{.error = 0.25,
                    .metrics = kCompleted.metrics,
                    .checkpoint_id = "d",
                    .train_time = absl::Seconds(3)},
          Completed{.error = 0.25,
                    .metrics = {{"loss", 1.5}},
                    .checkpoint_id = "c",
                    .train_time = absl::Seconds(3)}}},
        {"Failed", kFailed, {kFailedForGood, Failed{.reason = "x", .retryable = true}, kCompleted}},
        {"FailedForGood", kFailedForGood, {kFailed, kCompleted, kReturned}},
        {"Returned", kReturned, {Returned{.reason = "leaving"}, kFailed, kCompleted}},
    }),
    [](const auto& info) { return info.param.name; });

TEST(RepeatedReportOf, ADivergedResultIsADuplicateThoughNaNDiffersFromItself) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Assignment a = f.Take("w1");
  f.Complete(a, NAN);
  EXPECT_TRUE(f.Complete(a, -NAN).duplicate);
}

TEST(RepeatedReportOf, AResultWithFewerPointsIsADuplicate) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Assignment a = f.Take("w1");
  ASSERT_THAT(f.Report(a, Completed{.error = 0.5, .points = {{1, 0.7}, {2, 0.5}}}), IsOk());
  EXPECT_TRUE(f.Report(a, Completed{.error = 0.5})->duplicate);
}

TEST(LateProgress, AfterTheOutcomeOfItsOwnLeaseIsRefused) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Assignment a = f.Take("w1");
  f.Complete(a, 0.5);
  EXPECT_THAT(f.Report(a, Progress{}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is over")));
}

// ---- comes after its lease expired, the trial still queued

// Trial 1, whose lease expired; it is first in the queue with one failure.
Assignment Expired(SchedulerFixture& f) {
  const Assignment a = f.Take("w1");
  f.AdvanceAndTick(kLease);
  EXPECT_EQ(f.StateOf(1), TrialState::kQueued);
  EXPECT_EQ(f.trial(1).failures, 1);
  return a;
}

TEST(LateReport, CompletedCounts) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Assignment a = Expired(f);
  f.Complete(a, 0.5);
  EXPECT_EQ(f.StateOf(1), TrialState::kWaiting);
  EXPECT_EQ(f.study().queued(), 0);
  EXPECT_EQ(*f.trial(1).results[0].worker, "w1");
  EXPECT_EQ(f.trial(1).Failure(), "") << "its expiry was no failure after all";
  EXPECT_EQ(f.trial(1).failures, 0);
  EXPECT_EQ(f.Take("w2").lease.trial, 2);
}

TEST(LateReport, CompletedAtTheVeryMomentOfTheExpiryCounts) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Assignment a = f.Take("w1");
  f.Advance(kLease);
  f.Complete(a, 0.5);
  EXPECT_EQ(f.StateOf(1), TrialState::kWaiting);
}

TEST(LateReport, ProgressRevivesTheLeaseAndTakesTheFailureBack) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Assignment a = Expired(f);
  const Answer answer = f.Progressed(a);
  EXPECT_FALSE(answer.stop);
  EXPECT_EQ(f.StateOf(1), TrialState::kRunning);
  EXPECT_EQ(f.trial(1).failures, 0);
  EXPECT_EQ(f.trial(1).Failure(), "");
  EXPECT_EQ(f.trial(1).attempts, 1);
  ASSERT_THAT(f.Last<TrialProgressed>(), SizeIs(1)) << "durable, though it carries nothing";
  f.AdvanceAndTick(kLease - absl::Nanoseconds(1));
  EXPECT_EQ(f.StateOf(1), TrialState::kRunning);
  f.AdvanceAndTick(absl::Nanoseconds(1));
  EXPECT_EQ(f.trial(1).failures, 1) << "it may expire again";
}

TEST(LateReport, AnEarlierFailureIsNotTakenBack) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  f.Fail(f.Take("w1"));
  const Assignment a = f.Take("w1");
  f.AdvanceAndTick(kLease);
  ASSERT_EQ(f.trial(1).failures, 2);
  f.Progressed(a);
  EXPECT_EQ(f.trial(1).failures, 1);
}

TEST(LateReport, FailedRecordsTheReasonAndChargesNothingMore) {
  for (const Failed& failed : {kFailed, kFailedForGood}) {
    SchedulerFixture f(SmallSpec(kTwoRounds));
    const Assignment a = Expired(f);
    ASSERT_THAT(f.Report(a, failed), IsOk());
    EXPECT_EQ(f.StateOf(1), TrialState::kQueued);
    EXPECT_EQ(f.trial(1).failures, 1);
    EXPECT_EQ(f.trial(1).Failure(), failed.reason);
    EXPECT_EQ(f.Take("w2").lease, (LeaseKey{.study = 1, .trial = 1, .attempt = 2}));
  }
}

TEST(LateReport, ReturnedRecordsTheReasonAndChargesNothingMore) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Assignment a = Expired(f);
  f.Return(a);
  EXPECT_EQ(f.trial(1).failures, 1) << "nor is the expiry taken back";
  EXPECT_EQ(f.trial(1).Failure(), "leaving");
  EXPECT_EQ(f.Take("w2").lease, (LeaseKey{.study = 1, .trial = 1, .attempt = 2}));
}

TEST(LateReport, ProgressAfterALateOutcomeDoesNotRevive) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Assignment a = Expired(f);
  f.Return(a);
  EXPECT_THAT(f.Report(a, Progress{}), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(f.StateOf(1), TrialState::kQueued);
}

TEST(LateReport, WhenTheExpiryWasTheLastFailureTheTrialStaysFailed) {
  StudySpec spec = SmallSpec(kTwoRounds);
  spec.max_attempts = 1;
  SchedulerFixture f(spec);
  const Assignment a = f.Take("w1");
  f.AdvanceAndTick(kLease);
  for (const Outcome& outcome : std::vector<Outcome>{kCompleted, Progress{}, kFailed, kReturned}) {
    EXPECT_THAT(f.Report(a, outcome),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("failed for good")));
  }
  EXPECT_EQ(f.StateOf(1), TrialState::kFailed);
}

TEST(LateReport, CountsAfterARestartToo) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Assignment a = Expired(f);
  f.Restart();
  f.Progressed(a);
  EXPECT_EQ(f.trial(1).failures, 0);
  f.Complete(a, 0.5);
  EXPECT_EQ(f.StateOf(1), TrialState::kWaiting);
}

// ---- comes after the trial was handed out again

TEST(ReportOfAnOldAttempt, IsRefused) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Assignment old = Expired(f);
  const Assignment current = f.Take("w2");
  for (const Outcome& outcome : std::vector<Outcome>{kCompleted, Progress{}, kFailed, kReturned}) {
    EXPECT_THAT(f.Report(old, outcome),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         testing::AllOf(HasSubstr("trial 1 of study \"s\""), HasSubstr("attempt 2"),
                                        HasSubstr("drop the work"))));
  }
  f.Complete(current, 0.5);
  EXPECT_THAT(f.Report(old, kCompleted), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(f.study().evaluations(), 1);
}

// ---- comes after its study ended

TEST(ReportAfterTheStudyEnded, ProgressIsToldToStopAndOutcomesAreRefused) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Assignment a = f.Take("w1");
  f.Do(StopStudy{.name = "s"});
  const std::string before = f.scheduler().DebugString();
  const absl::StatusOr<Answer> progress = f.Report(a, Progress{.points = {{1, 0.5}}});
  ASSERT_THAT(progress, IsOk());
  EXPECT_TRUE(progress->stop);
  for (const Outcome& outcome : std::vector<Outcome>{kCompleted, kFailed, kReturned}) {
    EXPECT_THAT(f.Report(a, outcome),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         testing::AllOf(HasSubstr("STOPPED"), HasSubstr("stopped by request"))));
  }
  EXPECT_EQ(f.scheduler().DebugString(), before);
}

TEST(ReportAfterTheStudyEnded, TheOneThatEndsItIsCounted) {
  SchedulerFixture f(SmallSpec({.target_error = 0.5}));
  const absl::StatusOr<Answer> answer = f.Report(f.Take("w1"), kCompleted);
  ASSERT_THAT(answer, IsOk());
  EXPECT_FALSE(answer->duplicate);
  EXPECT_EQ(f.study().evaluations(), 1);
}

// ---- names no lease that ever was, or one of a deleted study

TEST(ReportOfAnUnknownLease, IsNotFound) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  f.Take("w1");
  const std::vector<LeaseKey> unknown = {
      {.study = 2, .trial = 1, .attempt = 1},  {.study = 0, .trial = 1, .attempt = 1},
      {.study = 1, .trial = 2, .attempt = 1},  {.study = 1, .trial = 0, .attempt = 1},
      {.study = 1, .trial = -1, .attempt = 1}, {.study = 1, .trial = 1, .attempt = 2},
      {.study = 1, .trial = 1, .attempt = 0},
  };
  for (const LeaseKey& key : unknown) {
    for (const Outcome& outcome : std::vector<Outcome>{kCompleted, Progress{}}) {
      EXPECT_THAT(f.Execute(Report{.lease = key, .outcome = outcome}),
                  StatusIs(absl::StatusCode::kNotFound, HasSubstr("no lease")))
          << key.study << "/" << key.trial << "/" << key.attempt;
    }
  }
}

TEST(ReportOfAnUnknownLease, OfADeletedStudyAlsoWhenItsNameIsUsedAgain) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Assignment a = f.Take("w1");
  f.Do(StopStudy{.name = "s"});
  f.Do(DeleteStudy{.name = "s"});
  f.Create(SmallSpec(kTwoRounds));
  f.Take("w1");
  EXPECT_THAT(f.Report(a, Progress{}), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(f.Report(a, kCompleted), StatusIs(absl::StatusCode::kNotFound));
}

// ---- curve points

TEST(CurvePoints, ARepeatIsIgnored) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Assignment a = f.Take("w1");
  f.Progressed(a, {.points = {{1, 0.5}}});
  f.Advance(absl::Seconds(1));
  f.Progressed(a, {.points = {{1, 0.9}}});
  EXPECT_THAT(f.Last<TrialProgressed>(), IsEmpty()) << "nothing for the journal";
  f.Progressed(a, {.points = {{1, 0.9}, {2, 0.4}}});
  EXPECT_THAT(CurveOf(f.trial(1)), ElementsAre(CurvePoint{1, 0.5}, CurvePoint{2, 0.4}));
}

TEST(CurvePoints, ANewerAttemptReplacesAndKeepsTheRest) {
  StudySpec spec = SmallSpec(kTwoRounds);
  spec.halving = {.min_epochs = 3, .max_epochs = 3, .eta = 2, .prefactor = 4};
  SchedulerFixture f(spec);
  const Assignment first = f.Take("w1");
  f.Progressed(first, {.points = {{1, 0.9}, {2, 0.8}}});
  f.Fail(first);
  const Assignment second = f.Take("w1");
  f.Progressed(second, {.points = {{1, 0.7}}});
  EXPECT_THAT(CurveOf(f.trial(1)), ElementsAre(CurvePoint{1, 0.7}, CurvePoint{2, 0.8}));
}

TEST(CurvePoints, InAnyOrderAndBothWithProgressAndWithTheResult) {
  StudySpec spec = SmallSpec(kTwoRounds);
  spec.halving = {.min_epochs = 4, .max_epochs = 4, .eta = 2, .prefactor = 4};
  SchedulerFixture f(spec);
  const Assignment a = f.Take("w1");
  f.Progressed(a, {.points = {{2, 0.2}, {1, 0.1}}});
  ASSERT_THAT(f.Report(a, Completed{.error = 0.4, .points = {{3, 0.3}, {2, 9}}}), IsOk());
  EXPECT_THAT(CurveOf(f.trial(1)), ElementsAre(CurvePoint{1, 0.1}, CurvePoint{2, 0.2},
                                               CurvePoint{3, 0.3}, CurvePoint{4, 0.4}))
      << "the result is the last point";
  EXPECT_EQ(f.study().epochs_trained(), 4);
}

// ---- asks

TEST(RepeatedAsk, GetsTheSameAssignmentRenewed) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Ask ask = {.worker = "w1", .request_id = "r", .incarnation = "one"};
  const Assignment first = *f.AskWith(ask);
  f.Advance(kLease - absl::Nanoseconds(1));
  const std::optional<Assignment> again = f.AskWith(ask);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->lease, first.lease);
  EXPECT_EQ(again->config, first.config);
  EXPECT_EQ(f.study().trials(), 1);
  f.AdvanceAndTick(kLease - absl::Nanoseconds(1));
  EXPECT_EQ(f.StateOf(1), TrialState::kRunning) << "renewed by the ask";
}

TEST(RepeatedAsk, GetsNothingOnceTheLeaseIsOver) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Ask ask = {.worker = "w1", .request_id = "r"};
  f.Complete(*f.AskWith(ask), 0.5);
  const Answer again = f.Do(ask);
  EXPECT_EQ(again.assignment, std::nullopt);
  EXPECT_TRUE(again.over) << "so that nobody waits for it";
  EXPECT_EQ(f.study().trials(), 1);
  EXPECT_TRUE(f.AskWith({.worker = "w1", .request_id = "r2"}).has_value());
}

TEST(RepeatedAsk, GetsNothingAfterTheExpiryAlsoWhileTheTrialIsQueued) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Ask ask = {.worker = "w1", .request_id = "r"};
  f.AskWith(ask);
  f.Advance(kLease);
  EXPECT_EQ(f.AskWith(ask), std::nullopt);
  EXPECT_EQ(f.StateOf(1), TrialState::kQueued);
  f.Take("w2");
  EXPECT_EQ(f.AskWith(ask), std::nullopt) << "nor is another worker's attempt its own";
}

TEST(RepeatedAsk, GetsNothingOnceTheStudyEndedOrWasDeleted) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Ask ask = {.worker = "w1", .request_id = "r"};
  f.AskWith(ask);
  f.Do(StopStudy{.name = "s"});
  EXPECT_EQ(f.AskWith(ask), std::nullopt);
  f.Do(DeleteStudy{.name = "s"});
  EXPECT_EQ(f.AskWith(ask), std::nullopt);
}

TEST(RepeatedAsk, ThatGotNothingTheFirstTimeMayGetSomethingLater) {
  SchedulerFixture f;
  const Ask ask = {.worker = "w1", .request_id = "r"};
  const Answer none = f.Do(ask);
  EXPECT_EQ(none.assignment, std::nullopt);
  EXPECT_FALSE(none.over) << "it is worth waiting";
  f.Create(SmallSpec(kTwoRounds));
  EXPECT_TRUE(f.AskWith(ask).has_value());
}

TEST(RepeatedAsk, IsKnownByWorkerIncarnationAndRequestTogether) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const auto ask = [&f](const char* worker, const char* incarnation) {
    return f.AskWith({.worker = worker, .request_id = "r", .incarnation = incarnation})
        ->lease.trial;
  };
  EXPECT_EQ(ask("w1", ""), 1);
  EXPECT_EQ(ask("w2", ""), 2);
  EXPECT_EQ(ask("w1", "x"), 3);
  EXPECT_EQ(ask("w1", ""), 1);
  EXPECT_EQ(ask("w1", "x"), 3);
}

TEST(RepeatedAsk, IsRememberedOverARestart) {
  SchedulerFixture f(SmallSpec(kTwoRounds));
  const Ask ask = {.worker = "w1", .request_id = "r"};
  const Assignment first = *f.AskWith(ask);
  f.Restart();
  EXPECT_EQ(f.AskWith(ask)->lease, first.lease);
  f.Complete(first, 0.5);
  f.Restart();
  EXPECT_EQ(f.AskWith(ask), std::nullopt);
}

TEST(Assignment, SaysAllThatTheTrainingNeeds) {
  StudySpec spec = SmallSpec(kTwoRounds);
  spec.objective_options_json = R"({"depth":3})";
  spec.lease = absl::Seconds(45);
  spec.initial_configs = {{{"x", 0.75}}};
  SchedulerFixture f(spec);
  const Assignment a = f.Take("w1");
  EXPECT_EQ(a.study, "s");
  EXPECT_EQ(a.objective, "lenet");
  EXPECT_EQ(a.objective_options_json, R"({"depth":3})");
  EXPECT_EQ(a.config, (NamedConfig{{"x", 0.75}}));
  EXPECT_EQ(a.lease_duration, absl::Seconds(45));
  EXPECT_GE(a.seed, 0);
}

// ---- digests

TEST(DigestTest, EqualContentGivesEqualDigestsAndOtherContentOthers) {
  const std::vector<Outcome> outcomes = {
      Completed{},
      Completed{.error = 0.5},
      Completed{.error = NAN},
      Completed{.checkpoint_id = "c"},
      Completed{.train_time = absl::Nanoseconds(1)},
      Completed{.metrics = {{"a", 1}}},
      Completed{.metrics = {{"a", 2}}},
      Completed{.metrics = {{"b", 1}}},
      Completed{.metrics = {{"a", 1}, {"b", 1}}},
      Failed{},
      Failed{.retryable = true},
      Failed{.reason = "12345678"},
      Failed{.reason = "123456789"},
      Returned{},
      Returned{.reason = "ab", .unusable_checkpoint_id = "c"},
      Returned{.reason = "a", .unusable_checkpoint_id = "bc"},
      Returned{.reason = "abc"},
  };
  for (size_t i = 0; i < outcomes.size(); ++i) {
    EXPECT_EQ(DigestOf(outcomes[i]), DigestOf(outcomes[i]));
    EXPECT_NE(DigestOf(outcomes[i]), Digest{}) << "zero stands for none";
    for (size_t j = 0; j < i; ++j) {
      EXPECT_NE(DigestOf(outcomes[i]), DigestOf(outcomes[j])) << i << " and " << j;
    }
  }
}

// A report that is repeated after the server was upgraded must still be known for a duplicate.
TEST(DigestTest, IsTheSameInEveryRelease) {
  const auto hex = [](const Outcome& outcome) {
    const Digest digest = DigestOf(outcome);
    return absl::StrCat(absl::Hex(digest.high, absl::kZeroPad16), "-",
                        absl::Hex(digest.low, absl::kZeroPad16));
  };
  EXPECT_EQ(hex(kCompleted), "f6e3803c10cdc6c1-10161a18b0498c37");
  EXPECT_EQ(hex(kFailed), "270c9cdc5c9eb60d-2e5b7e0f266d5294");
  EXPECT_EQ(hex(kReturned), "9d71ddf5c8a6131f-daac9cbe9c998656");
}

}  // namespace
}  // namespace halving
