// What each report gets, line by line of the contract's table, over the wire.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/service/messages.h"
#include "tests/service/server_fixture.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

MATCHER_P2(Says, directive, duplicate, "") {
  *result_listener << arg.ShortDebugString();
  return arg.directive() == directive && arg.duplicate() == duplicate;
}
auto Continues() { return IsOkAndHolds(Says(v1::DIRECTIVE_CONTINUE, false)); }
auto IsDuplicate() { return IsOkAndHolds(Says(v1::DIRECTIVE_CONTINUE, true)); }
auto Stops() { return IsOkAndHolds(Says(v1::DIRECTIVE_STOP, false)); }

// A study of three trials, the first of which worker "a" holds.
class ReportTableTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(f.Create(FlatSpec("s", 3)), IsOk());
    lease = f.Take("a", "r1").lease_id();
  }
  auto Report(const std::string& outcome) { return f.Report(ReportOf(lease, outcome)); }
  void Expire() {
    f.Pass(absl::Seconds(60));
    ASSERT_EQ(f.Trial("s", 1).state(), v1::TRIAL_STATE_QUEUED);
    ASSERT_EQ(f.Trial("s", 1).failures(), 1);
  }

  ServerFixture f;
  std::string lease;
};

TEST_F(ReportTableTest, OfALiveLeaseIsCounted) {
  EXPECT_THAT(Report("progress {}"), Continues());
  EXPECT_THAT(Report("completed { error: 0.5 }"), Continues());
  EXPECT_EQ(f.Status("s").evaluations(), 1);
  ASSERT_EQ(f.Trial("s", 1).results_size(), 1);
  EXPECT_EQ(f.Trial("s", 1).results(0).error(), 0.5);
}

TEST_F(ReportTableTest, SentAgainIsADuplicate) {
  for (const std::string outcome :
       {"completed { error: 0.5 }", "failed { reason: 'oom' retryable: true }",
        "returned { reason: 'leaving' }"}) {
    lease = f.Take("b", outcome.substr(0, 5)).lease_id();
    EXPECT_THAT(Report(outcome), Continues());
    EXPECT_THAT(Report(outcome), IsDuplicate());
    EXPECT_THAT(Report(outcome), IsDuplicate());
  }
  EXPECT_EQ(f.Status("s").evaluations(), 1);
}

TEST_F(ReportTableTest, OfNanSentAgainIsADuplicate) {
  EXPECT_THAT(Report("completed { error: nan }"), Continues());
  EXPECT_THAT(Report("completed { error: nan }"), IsDuplicate());
}

TEST_F(ReportTableTest, WithOtherContentThanTheOneCountedIsRefused) {
  ASSERT_THAT(Report("completed { error: 0.5 }"), Continues());
  for (const std::string other :
       {"completed { error: 0.25 }", "completed { error: 0.5 checkpoint_id: 'c' }",
        "completed { error: 0.5 metrics { key: 'm' value: 1 } }", "failed {}", "returned {}"}) {
    EXPECT_THAT(Report(other), StatusIs(StatusCode::kAlreadyExists, HasSubstr("drop this one")))
        << other;
  }
}

TEST_F(ReportTableTest, CompletedAfterTheLeaseExpiredCountsWhileTheTrialIsQueued) {
  Expire();
  EXPECT_THAT(Report("completed { error: 0.5 }"), Continues());
  EXPECT_EQ(f.Status("s").evaluations(), 1);
  EXPECT_EQ(f.Trial("s", 1).state(), v1::TRIAL_STATE_COMPLETED);
}

TEST_F(ReportTableTest, ProgressAfterTheLeaseExpiredRevivesItAndTakesTheFailureBack) {
  Expire();
  EXPECT_THAT(Report("progress {}"), Continues());
  EXPECT_EQ(f.Trial("s", 1).state(), v1::TRIAL_STATE_RUNNING);
  EXPECT_EQ(f.Trial("s", 1).failures(), 0);
  EXPECT_EQ(f.Trial("s", 1).worker_id(), "a");
}

TEST_F(ReportTableTest, FailedAndReturnedAfterTheLeaseExpiredRecordTheReasonAndChargeNothing) {
  for (const std::string outcome :
       {"failed { reason: 'out of memory' }", "returned { reason: 'out of memory' }"}) {
    ServerFixture own;
    ASSERT_THAT(own.Create(FlatSpec("s", 3)), IsOk());
    const std::string expired = own.Take("a", "r1").lease_id();
    own.Pass(absl::Seconds(60));
    EXPECT_THAT(own.Report(ReportOf(expired, outcome)), Continues()) << outcome;
    EXPECT_THAT(own.Report(ReportOf(expired, outcome)), IsDuplicate()) << outcome;
    const v1::Trial trial = own.Trial("s", 1);
    EXPECT_EQ(trial.state(), v1::TRIAL_STATE_QUEUED);
    EXPECT_EQ(trial.failures(), 1) << "of the expiry";
    EXPECT_THAT(trial.failure(), HasSubstr("out of memory"));
  }
}

TEST_F(ReportTableTest, AfterTheTrialWasHandedOutAgainIsRefused) {
  Expire();
  ASSERT_EQ(f.Take("b", "r2").trial_id(), 1);
  for (const std::string outcome :
       {"progress {}", "completed { error: 0.5 }", "failed {}", "returned {}"}) {
    EXPECT_THAT(Report(outcome),
                StatusIs(StatusCode::kFailedPrecondition,
                         AllOf(HasSubstr("trial 1 of study \"s\""), HasSubstr("drop the work"))))
        << outcome;
  }
  EXPECT_EQ(f.Trial("s", 1).worker_id(), "b");
}

TEST_F(ReportTableTest, AfterItsStudyEndedIsToldToStopOrRefused) {
  ASSERT_THAT(f.Named(&StudyStub::StopStudy, "s"), IsOk());
  EXPECT_THAT(Report("progress {}"), Stops());
  for (const std::string outcome : {"completed { error: 0.5 }", "failed {}", "returned {}"}) {
    EXPECT_THAT(Report(outcome), StatusIs(StatusCode::kFailedPrecondition, HasSubstr("STOPPED")))
        << outcome;
  }
  EXPECT_EQ(f.Status("s").evaluations(), 0);
}

TEST_F(ReportTableTest, OfALeaseThatNeverWasIsNotFound) {
  const LeaseIds ids(f.journal.secret());
  for (const std::string& id :
       {std::string(), std::string("1.1.1.0"), ids.Encode({1, 1, 2}), ids.Encode({1, 2, 1}),
        ids.Encode({9, 1, 1}), LeaseIds("another server's").Encode({1, 1, 1})}) {
    EXPECT_THAT(f.Report(ReportOf(id, "progress {}")), StatusIs(StatusCode::kNotFound)) << id;
    EXPECT_THAT(f.Report(ReportOf(id, "failed {}")), StatusIs(StatusCode::kNotFound)) << id;
  }
}

TEST_F(ReportTableTest, OfADeletedStudyIsNotFound) {
  ASSERT_THAT(f.Named(&StudyStub::StopStudy, "s"), IsOk());
  ASSERT_THAT(f.Named(&StudyStub::DeleteStudy, "s"), IsOk());
  ASSERT_THAT(f.Create(FlatSpec("s", 3)), IsOk()) << "another study of that name";
  ASSERT_EQ(f.Take("b", "r2").trial_id(), 1);
  EXPECT_THAT(Report("progress {}"), StatusIs(StatusCode::kNotFound, HasSubstr("deleted")));
  EXPECT_THAT(Report("completed { error: 0.5 }"), StatusIs(StatusCode::kNotFound));
}

TEST_F(ReportTableTest, ThatFailsForGoodIsAnOutcome) {
  EXPECT_THAT(Report("failed { reason: 'batch_size 512 is too large' }"), Continues());
  EXPECT_EQ(f.Trial("s", 1).state(), v1::TRIAL_STATE_FAILED);
  EXPECT_EQ(f.Status("s").failed_trials(), 1);
}

}  // namespace
}  // namespace halving
