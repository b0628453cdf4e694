// A full disk: nobody is told anything that is not on it, and nothing is lost when there is room.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/engine_fixture.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr absl::Duration kInstant = absl::Nanoseconds(1);

MATCHER(IsRefusedForWantOfRoom, "is UNAVAILABLE, saying that the disk is full and what to do") {
  return testing::ExplainMatchResult(
      StatusIs(StatusCode::kUnavailable,
               AllOf(HasSubstr("room on its disk"), HasSubstr("Send the same request again"),
                     HasSubstr("no space left on device"))),
      arg->reply(), result_listener);
}

// A study of three trials, of which "a" holds the first, and a disk that has just become full: the
// ask of "b", request id "b1", was decided and could not be written.
class FullDiskTest : public testing::Test {
 protected:
  void SetUp() override {
    f.engine().OnHealthChange([this](bool serving) { health.push_back(serving); });
    ASSERT_THAT(f.Call(Flat("s", 3)), IsOk());
    taken = f.Take("a");
    f.journal.FillDisk();
    refused = f.StartAsk(ask_b);
    f.Run();
  }

  EngineFixture f;
  std::vector<bool> health;
  Assignment taken;
  const Ask ask_b{.worker = "b", .request_id = "b1", .incarnation = "1"};
  Pending refused;
};

TEST_F(FullDiskTest, RefusesTheWholeBatchThatCouldNotBeWritten) {
  f.journal.MakeRoom();
  f.Pass(absl::Seconds(1));
  f.journal.FillDisk();
  const Pending report = f.StartReport(taken.lease, Completed{.error = 1});
  const Pending read = f.StartRead();
  const Pending error = f.StartCommand(StopStudy{.name = "none"});
  f.Run();
  EXPECT_THAT(report, IsRefusedForWantOfRoom());
  EXPECT_THAT(read, IsRefusedForWantOfRoom());
  EXPECT_THAT(error, IsRefusedForWantOfRoom());
}

TEST_F(FullDiskTest, RefusesEverybodyUntilThereIsRoom) {
  EXPECT_THAT(refused, IsRefusedForWantOfRoom());
  const Pending read = f.StartRead();
  const Pending command = f.StartCommand(Flat("t", 1));
  const Pending ask = f.StartAsk("c");
  const Pending report = f.StartReport(taken.lease, Progress{});
  const Pending watch = f.StartWatch("s", 0);
  f.Run();
  for (const Pending& pending : {read, command, ask, report, watch}) {
    EXPECT_THAT(pending, IsRefusedForWantOfRoom());
  }
}

TEST_F(FullDiskTest, RefusesThoseThatWaitOnceARetryHasFailed) {
  f.journal.MakeRoom();
  f.Pass(absl::Seconds(1));
  const Pending waiting = f.StartAsk(Ask{.worker = "w", .objectives = {"other"}});
  const Pending watch = f.StartWatch("s", f.VersionOf("s"));
  f.Run();
  f.journal.FillDisk();
  f.StartCommand(Flat("t", 1));
  f.Run();
  f.Pass(absl::Seconds(1));
  EXPECT_THAT(waiting, IsRefusedForWantOfRoom());
  EXPECT_THAT(watch, IsRefusedForWantOfRoom());
}

TEST_F(FullDiskTest, WhatIsRefusedMeanwhileIsNotDone) {
  f.StartCommand(Flat("t", 1));
  f.StartReport(taken.lease, Completed{.error = 1});
  f.Run();
  f.journal.MakeRoom();
  f.Pass(absl::Seconds(1));
  EXPECT_EQ(f.VersionOf("t"), 0u) << "no such study";
  EXPECT_EQ(CountOf<TrialReported>(f.journal.events()), 0);
}

TEST_F(FullDiskTest, RetriesTheSameAppendEachSecond) {
  const auto first = f.journal.attempts();
  f.Pass(absl::Seconds(1) - kInstant);
  EXPECT_THAT(f.journal.attempts(), SizeIs(first.size()));
  f.Pass(kInstant);
  f.Pass(absl::Seconds(1));
  const auto attempts = f.journal.attempts();
  ASSERT_THAT(attempts, SizeIs(first.size() + 2));
  EXPECT_TRUE(attempts[first.size()] == first.back());
  EXPECT_TRUE(attempts[first.size() + 1] == first.back());
}

TEST_F(FullDiskTest, CallsMeanwhileDoNotRetryMoreOften) {
  const size_t before = f.journal.attempts().size();
  for (int i = 0; i < 10; ++i) {
    f.StartRead();
    f.Run();
  }
  EXPECT_THAT(f.journal.attempts(), SizeIs(before));
}

TEST_F(FullDiskTest, OnceThereIsRoomTheJournalHoldsWhatWasDecided) {
  f.journal.MakeRoom();
  f.Pass(absl::Seconds(1));
  EXPECT_EQ(f.Known(), f.Replayed());
  EXPECT_EQ(CountOf<TrialLeased>(f.journal.events()), 2);
}

TEST_F(FullDiskTest, SaysWhenItStopsAndStartsToServe) {
  EXPECT_THAT(health, ElementsAre(false));
  f.Pass(absl::Seconds(5));
  EXPECT_THAT(health, ElementsAre(false));
  f.journal.MakeRoom();
  f.Pass(absl::Seconds(1));
  EXPECT_THAT(health, ElementsAre(false, true));
  ASSERT_THAT(f.Call(Flat("t", 1)), IsOk());
  EXPECT_THAT(health, ElementsAre(false, true));
}

TEST_F(FullDiskTest, SaysNothingOfItselfAnyMoreOnceItIsStopped) {
  f.engine().Stop();
  health.clear();
  f.journal.MakeRoom();
  f.Pass(absl::Seconds(2));
  EXPECT_THAT(health, IsEmpty());
}

TEST_F(FullDiskTest, TheRefusedAskSentAgainGetsTheTrialThatWasDecided) {
  f.journal.MakeRoom();
  f.Pass(absl::Seconds(1));
  const Pending again = f.StartAsk(ask_b);
  f.Run();
  EXPECT_EQ(again->trial(), 2);
  EXPECT_EQ(again->reply()->assignment->lease.attempt, 1);
  EXPECT_EQ(CountOf<TrialLeased>(f.journal.events()), 2);
}

TEST_F(FullDiskTest, ARefusedReportThatWasDecidedIsADuplicateWhenItIsSentAgain) {
  f.journal.MakeRoom();
  f.Pass(absl::Seconds(1));
  f.journal.FillDisk(1);
  const Pending report = f.StartReport(taken.lease, Completed{.error = 1});
  f.Run();
  EXPECT_THAT(report, IsRefusedForWantOfRoom());
  f.Pass(absl::Seconds(1));
  const auto again = f.CallReport(taken.lease, Completed{.error = 1});
  ASSERT_THAT(again, IsOk());
  EXPECT_TRUE(again->answer.duplicate);
  EXPECT_EQ(CountOf<TrialReported>(f.journal.events()), 1);
}

// Nobody could report while the disk was full.
TEST_F(FullDiskTest, LeasesGetTheTimeBack) {
  f.Pass(absl::Seconds(600));
  f.journal.MakeRoom();
  f.Pass(absl::Seconds(1));
  EXPECT_EQ(CountOf<AttemptFailed>(f.journal.events()), 0);
  f.Pass(absl::Seconds(60) - absl::Milliseconds(1));
  EXPECT_EQ(CountOf<AttemptFailed>(f.journal.events()), 0);
  f.Pass(absl::Milliseconds(1));
  EXPECT_EQ(CountOf<AttemptFailed>(f.journal.events()), 2);
}

TEST_F(FullDiskTest, AReportThatCameBeforeIsStillWaitingForItsNext) {
  f.journal.MakeRoom();
  f.Pass(absl::Seconds(1));
  const Pending report = f.StartReport(
      taken.lease, Completed{.error = 1},
      Ask{.worker = "a", .request_id = "n", .objectives = {"other"}}, absl::Seconds(30));
  f.Run();
  f.journal.FillDisk(1);
  const Pending other = f.StartCommand(Flat("t", 1, "other"));
  f.Run();
  EXPECT_THAT(other, IsRefusedForWantOfRoom());
  EXPECT_THAT(report, IsRefusedForWantOfRoom()) << "its next was decided in the same batch";
  f.Pass(absl::Seconds(1));
  const Pending again =
      f.StartReport(taken.lease, Completed{.error = 1},
                    Ask{.worker = "a", .request_id = "n", .objectives = {"other"}});
  f.Run();
  EXPECT_TRUE(again->reply()->answer.duplicate);
  EXPECT_EQ(again->trial(), 1);
}

TEST_F(FullDiskTest, AnEngineThatIsStoppedAnswersEverybody) {
  const Pending ask = f.StartAsk("c");
  const Pending read = f.StartRead();
  f.engine().Stop();
  EXPECT_THAT(ask, IsRefusedForWantOfRoom());
  EXPECT_THAT(read, IsRefusedForWantOfRoom());
}

TEST_F(FullDiskTest, ARestartKnowsNothingOfWhatWasNotWritten) {
  f.Restart();
  f.journal.MakeRoom();
  EXPECT_EQ(f.Known(), f.Replayed());
  const Pending again = f.StartAsk(ask_b);
  f.Run();
  EXPECT_EQ(again->trial(), 2);
}

TEST(BrokenDiskDeathTest, AnErrorThatLeavesTheDiskUnknownEndsTheProcess) {
  EngineFixture f;
  f.journal.BreakDisk();
  EXPECT_DEATH(f.Call(Flat("s", 1)).IgnoreError(), "the journal cannot be written.*fsync failed");
  f.journal.MakeRoom();
}

TEST(BrokenDiskDeathTest, AlsoWhenAFullDiskTurnsIntoOne) {
  EngineFixture f;
  f.journal.FillDisk();
  f.StartCommand(Flat("s", 1));
  f.Run();
  f.journal.BreakDisk();
  EXPECT_DEATH(f.Pass(absl::Seconds(1)), "the journal cannot be written.*fsync failed");
  f.journal.MakeRoom();
}

}  // namespace
}  // namespace halving
