#include "cli/watch.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/app.h"
#include "cli/commands.h"
#include "cli/render_study.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/console_fixture.h"
#include "tests/cli/fake_server.h"

namespace halving {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

v1::StudyStatus StatusAt(double progress, v1::StudyState state) {
  v1::StudyStatus status = MakeSampleStatus();
  status.set_progress(progress);
  status.mutable_study()->set_state(state);
  return status;
}

class WatchTest : public testing::Test {
 protected:
  int Watch(const std::string& interval = "1s") {
    return RunCommandLine({"watch", "lenet", "--interval", interval, "--server", server_.address()},
                          console_.get());
  }
  void Send(std::vector<v1::StudyStatus> statuses, grpc::Status end = grpc::Status::OK) {
    server_.service()->AddWatch({std::move(statuses), std::move(end)});
  }
  std::string out() const { return console_.out.str(); }
  std::string err() const { return console_.err.str(); }

  const v1::StudyStatus early_ = StatusAt(0.4, v1::STUDY_STATE_RUNNING);
  const v1::StudyStatus later_ = StatusAt(0.7, v1::STUDY_STATE_RUNNING);
  const v1::StudyStatus completed_ = StatusAt(1, v1::STUDY_STATE_COMPLETED);
  FakeServer server_;
  TestConsole console_;
};

TEST_F(WatchTest, PrintsALineForEachChangeThenTheWholeStatus) {
  v1::StudyStatus heartbeat = early_;
  heartbeat.mutable_running(0)->set_epoch(4);
  Send({early_, heartbeat, later_, completed_});
  EXPECT_EQ(Watch(), kExitOk) << err();
  const std::string tail =
      "  12 evaluations  best 0.2700 (trial 3 at 4 epochs)  2 running  1 failed\n";
  EXPECT_EQ(out(), "12:34:56  RUNNING    40%" + tail +      //
                       "12:34:56  RUNNING    70%" + tail +  //
                       "12:34:56  COMPLETED 100%" + tail + "\n" + RenderStatus(completed_, {}));
}

TEST_F(WatchTest, TheExitCodeTellsHowTheStudyEnded) {
  Send({StatusAt(0.4, v1::STUDY_STATE_STOPPED)});
  EXPECT_EQ(Watch(), kExitEndedEarly);
  Send({StatusAt(0.4, v1::STUDY_STATE_FAILED)});
  EXPECT_EQ(Watch(), kExitEndedEarly);
  Send({completed_});
  EXPECT_EQ(Watch(), kExitOk);
}

TEST_F(WatchTest, ComesBackWhenTheServerGoesAway) {
  Send({early_}, grpc::Status(grpc::StatusCode::UNAVAILABLE, "connection reset"));
  Send({}, grpc::Status(grpc::StatusCode::UNAVAILABLE, "not yet"));
  Send({later_});  // A stream that ends before its study does: the server is going down.
  Send({completed_});
  EXPECT_EQ(Watch(), kExitOk) << err();
  EXPECT_THAT(out(), HasSubstr("the server went away; trying again in "));
  EXPECT_THAT(out(), HasSubstr("RUNNING    70%"));
  ASSERT_THAT(console_.sleeps, SizeIs(3));
  EXPECT_LE(console_.sleeps[0], absl::Milliseconds(500));
  EXPECT_GE(console_.sleeps[1], absl::Milliseconds(500));  // The second failure in a row.
  EXPECT_LE(console_.sleeps[2], absl::Milliseconds(500)) << "a status in between starts anew";
}

TEST_F(WatchTest, AStudyThatIsNotThereIsAFailureAtOnce) {
  EXPECT_EQ(Watch(), kExitFailed);
  EXPECT_THAT(err(), HasSubstr("NOT_FOUND"));
  EXPECT_THAT(console_.sleeps, IsEmpty());
}

TEST_F(WatchTest, AServerThatWasNeverReachedIsAFailureAtOnce) {
  Send({}, grpc::Status(grpc::StatusCode::UNAVAILABLE, "nobody there"));
  EXPECT_EQ(Watch(), kExitFailed);
  EXPECT_THAT(err(), HasSubstr("nobody there"));
  EXPECT_THAT(console_.sleeps, IsEmpty());
}

TEST_F(WatchTest, AStudyDeletedMeanwhileEndsTheWatching) {
  Send({early_}, grpc::Status(grpc::StatusCode::NOT_FOUND, "deleted"));
  EXPECT_EQ(Watch(), kExitFailed);
  EXPECT_THAT(err(), HasSubstr("deleted"));
}

TEST_F(WatchTest, AsksForTheIntervalGiven) {
  Send({completed_});
  Watch("1m30s");
  ASSERT_THAT(server_.service()->watch_requests(), SizeIs(1));
  EXPECT_EQ(server_.service()->watch_requests()[0].name(), "lenet");
  EXPECT_EQ(server_.service()->watch_requests()[0].min_interval().seconds(), 90);
}

TEST_F(WatchTest, OnATerminalTheStatusIsRedrawnInPlace) {
  console_.PretendTerminal();
  console_.size.rows = 60;
  Send({early_, completed_});
  EXPECT_EQ(Watch(), kExitOk) << err();
  EXPECT_THAT(out(), StartsWith("\x1b[?25llenet  RUNNING  lenet, halving, 2 to 10 "));
  EXPECT_THAT(out(), HasSubstr("12:34:56  Ctrl-C ends the watching; the study goes on.\x1b[K\n"));
  // The last picture stands where the live one stood, whole.
  const std::string last = out().substr(out().rfind("A\x1b[J"));
  EXPECT_EQ(last, absl::StrCat("A\x1b[J", RenderStatus(completed_, {.width_columns = 80})));
}

TEST_F(WatchTest, AsJsonEachChangeIsALine) {
  console_.PretendTerminal();
  Send({early_}, grpc::Status(grpc::StatusCode::UNAVAILABLE, "connection reset"));
  Send({completed_});
  EXPECT_EQ(RunCommandLine({"watch", "lenet", "-o", "json", "--server", server_.address()},
                           console_.get()),
            kExitOk)
      << err();
  const std::vector<std::string> lines = absl::StrSplit(out(), '\n', absl::SkipEmpty());
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_THAT(lines[0], AllOf(StartsWith("{\"study\":{"), HasSubstr("\"progress\":0.4,")));
  EXPECT_THAT(err(), HasSubstr("the server went away"));
}

TEST(ReconnectDelayTest, DoublesUpToFiveSecondsWithJitter) {
  EXPECT_EQ(ReconnectDelay(1, 0), absl::Milliseconds(500));
  EXPECT_EQ(ReconnectDelay(2, 0), absl::Seconds(1));
  EXPECT_EQ(ReconnectDelay(4, 0), absl::Seconds(4));
  EXPECT_EQ(ReconnectDelay(5, 0), absl::Seconds(5));
  EXPECT_EQ(ReconnectDelay(1'000'000, 0), absl::Seconds(5));
  EXPECT_EQ(ReconnectDelay(5, 0.5), absl::Milliseconds(3750));
}

}  // namespace
}  // namespace halving
