#include "cli/logs.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/cli/command_fixture.h"

namespace halving {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

// Lines "first" to "last", called by their numbers.
void AddAttempt(int32_t number, int64_t first, int64_t last, v1::TrialLog* log) {
  v1::AttemptLog* attempt = log->add_attempts();
  attempt->set_attempt(number);
  attempt->set_worker_id(absl::StrCat("gpu-", number));
  attempt->set_first_line(first);
  for (int64_t line = first; line <= last; ++line) {
    attempt->add_lines(absl::StrCat(number, ".", line));
  }
}

v1::TrialLog OneAttempt(int64_t first, int64_t last) {
  v1::TrialLog log;
  AddAttempt(1, first, last, &log);
  return log;
}

v1::TrialLog TwoAttempts() {
  v1::TrialLog log;
  AddAttempt(1, 41, 43, &log);
  AddAttempt(2, 1, 2, &log);
  return log;
}

class LogsTest : public CommandFixture {
 protected:
  LogsTest() { service_->AddStudy(MakeSampleStudy(1, 7)); }

  void Answer(v1::TrialLog log, v1::TrialState state = v1::TRIAL_STATE_RUNNING,
              grpc::Status end = grpc::Status::OK) {
    service_->AddLogStep({state, std::move(log), std::move(end)});
  }
};

TEST_F(LogsTest, OneAttemptIsItsLines) {
  Answer(OneAttempt(1, 3));
  EXPECT_EQ(Run({"logs", "lenet", "7"}), kExitOk) << err();
  EXPECT_EQ(out(), "1.1\n1.2\n1.3\n");
}

TEST_F(LogsTest, SeveralAttemptsHaveHeadings) {
  Answer(TwoAttempts());
  EXPECT_EQ(Run({"logs", "lenet", "7"}), kExitOk) << err();
  EXPECT_EQ(out(),
            "==> attempt 1 on gpu-1, from line 41 on <==\n1.41\n1.42\n1.43\n"
            "\n==> attempt 2 on gpu-2 <==\n2.1\n2.2\n");
}

TEST_F(LogsTest, TheTailGoesOverAttempts) {
  Answer(TwoAttempts());
  EXPECT_EQ(Run({"logs", "lenet", "7", "-n", "3"}), kExitOk) << err();
  EXPECT_EQ(out(),
            "==> attempt 1 on gpu-1, from line 43 on <==\n1.43\n"
            "\n==> attempt 2 on gpu-2 <==\n2.1\n2.2\n");
  EXPECT_EQ(Run({"logs", "lenet", "7", "--tail=1", "--attempt=2"}), kExitOk) << err();
  EXPECT_EQ(out(), "2.2\n");
  EXPECT_EQ(Run({"logs", "lenet", "7", "--tail=99"}), kExitOk) << err();
  EXPECT_THAT(OutLines(), SizeIs(8));
}

TEST_F(LogsTest, OneOfSeveralAttempts) {
  Answer(TwoAttempts());
  EXPECT_EQ(Run({"logs", "lenet", "7", "--attempt", "1"}), kExitOk) << err();
  EXPECT_EQ(out(), "1.41\n1.42\n1.43\n");
  EXPECT_EQ(Run({"logs", "lenet", "7", "-p"}), kExitOk) << err();
  EXPECT_EQ(out(), "1.41\n1.42\n1.43\n");
  EXPECT_EQ(Run({"logs", "lenet", "7", "--attempt", "5"}), kExitFailed);
  EXPECT_THAT(err(), HasSubstr("no lines of attempt 5; there are some of 1, 2"));
  EXPECT_EQ(Run({"logs", "lenet", "7", "--attempt", "1", "--previous"}), kExitUsage);
}

TEST_F(LogsTest, ThereIsNoAttemptBeforeTheFirst) {
  Answer(OneAttempt(1, 3));
  EXPECT_EQ(Run({"logs", "lenet", "7", "--previous"}), kExitFailed);
  EXPECT_THAT(err(), HasSubstr("no lines of an attempt before the last one; there are some of 1"));
}

TEST_F(LogsTest, NothingPrintedIsSaidBeside) {
  Answer({});
  EXPECT_EQ(Run({"logs", "lenet", "7"}), kExitOk);
  EXPECT_THAT(out(), IsEmpty());
  EXPECT_THAT(err(), HasSubstr("Trial 7 has printed nothing"));
}

TEST_F(LogsTest, AsJsonItIsTheMessage) {
  Answer(TwoAttempts());
  EXPECT_EQ(Run({"logs", "lenet", "7", "-o", "json", "--tail", "1"}), kExitOk) << err();
  const auto json = nlohmann::json::parse(out(), nullptr, false);
  ASSERT_THAT(json["attempts"], SizeIs(1));
  EXPECT_EQ(json["attempts"][0]["lines"][0], "2.2");
  EXPECT_EQ(json["attempts"][0]["first_line"], "2");
  EXPECT_EQ(Run({"logs", "lenet", "7", "-o", "json", "-f"}), kExitUsage);
}

TEST_F(LogsTest, LinesCannotDriveTheTerminal) {
  v1::TrialLog log = OneAttempt(1, 1);
  log.mutable_attempts(0)->set_lines(0, "\x1b[2Jgone\rback");
  AddAttempt(2, 1, 1, &log);
  log.mutable_attempts(1)->set_worker_id("\x1b[2J");
  Answer(log);
  console_.PretendTerminal();
  EXPECT_EQ(Run({"logs", "lenet", "7"}), kExitOk) << err();
  EXPECT_THAT(out(), AllOf(HasSubstr("\\x1b[2Jgone\\rback\n"), Not(HasSubstr("\x1b"))));
}

TEST_F(LogsTest, FollowingPrintsEachLineOnceUntilTheTrialRunsNoMore) {
  Answer(OneAttempt(1, 2));
  Answer(OneAttempt(1, 2));
  Answer(OneAttempt(2, 4));
  Answer(OneAttempt(7, 8));  // Two came and were dropped between two looks.
  v1::TrialLog retried = OneAttempt(7, 9);
  AddAttempt(2, 1, 1, &retried);
  Answer(retried);
  Answer(retried, v1::TRIAL_STATE_WAITING);
  EXPECT_EQ(Run({"logs", "lenet", "7", "--follow"}), kExitOk) << err();
  EXPECT_EQ(out(),
            "1.1\n1.2\n1.3\n1.4\n... 2 lines missed\n1.7\n1.8\n1.9\n"
            "\n==> attempt 2 on gpu-2 <==\n2.1\n");
  EXPECT_THAT(console_.sleeps, SizeIs(4));
  EXPECT_EQ(console_.sleeps[0], absl::Seconds(1));
  EXPECT_EQ(err(), "Trial 7 is WAITING; nothing more to follow.\n");
}

TEST_F(LogsTest, FollowingBeginsWithTheTail) {
  Answer(OneAttempt(1, 5));
  Answer(OneAttempt(1, 6), v1::TRIAL_STATE_FAILED);
  EXPECT_EQ(Run({"logs", "lenet", "7", "-f", "-n", "2"}), kExitOk) << err();
  EXPECT_EQ(out(), "1.4\n1.5\n1.6\n");
}

TEST_F(LogsTest, FollowingOutlastsAServerThatGoesAway) {
  Answer(OneAttempt(1, 1));
  Answer({}, v1::TRIAL_STATE_RUNNING, {grpc::StatusCode::UNAVAILABLE, "gone"});
  Answer(OneAttempt(1, 2), v1::TRIAL_STATE_COMPLETED);
  EXPECT_EQ(Run({"logs", "lenet", "7", "-f"}), kExitOk) << err();
  EXPECT_EQ(out(), "1.1\n1.2\n");
  EXPECT_THAT(console_.sleeps, SizeIs(1));
}

TEST_F(LogsTest, AStudyDeletedMeanwhileEndsTheFollowing) {
  Answer(OneAttempt(1, 1));
  Answer({}, v1::TRIAL_STATE_RUNNING, {grpc::StatusCode::NOT_FOUND, "deleted"});
  EXPECT_EQ(Run({"logs", "lenet", "7", "-f"}), kExitFailed);
  EXPECT_THAT(err(), HasSubstr("deleted"));
}

TEST_F(LogsTest, MistakesAreTold) {
  EXPECT_EQ(Run({"logs", "lenet"}), kExitUsage);
  EXPECT_EQ(Run({"logs", "lenet", "0"}), kExitUsage);
  EXPECT_EQ(Run({"logs", "lenet", "7", "-n", "0"}), kExitUsage);
  EXPECT_EQ(Run({"logs", "lenet", "99"}), kExitFailed);
  EXPECT_THAT(err(), HasSubstr("NOT_FOUND"));
}

}  // namespace
}  // namespace halving
