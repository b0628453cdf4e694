// What time alone brings, and what a process that stood still makes of it.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/engine_fixture.h"

namespace halving {
namespace {

constexpr absl::Duration kInstant = absl::Nanoseconds(1);

int Expired(const EngineFixture& f) { return CountOf<AttemptFailed>(f.journal.events()); }

TEST(TimeTest, ASilentWorkerLosesItsTrialAtTheEndOfItsLease) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  f.Take("a");
  f.Pass(absl::Seconds(60) - kInstant);
  EXPECT_EQ(Expired(f), 0);
  f.Pass(kInstant);
  EXPECT_EQ(Expired(f), 1);
}

TEST(TimeTest, AServerThatStoodStillBlamesNobody) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  f.Take("a");
  f.Pass(absl::Seconds(10));
  f.clock.Advance(absl::Hours(2));  // No batch meanwhile: a stopped process, a sleeping laptop.
  f.Run();
  EXPECT_EQ(Expired(f), 0);
  // The lease still had 50 s; what was left of a second until the next batch is not given back.
  f.Pass(absl::Seconds(49) - kInstant);
  EXPECT_EQ(Expired(f), 0);
  f.Pass(absl::Seconds(1) + kInstant);
  EXPECT_EQ(Expired(f), 1);
}

TEST(TimeTest, AReportThatMeetsTheServerAsItGoesOnIsInTime) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  const Assignment taken = f.Take("a");
  f.clock.Advance(absl::Hours(2));
  EXPECT_THAT(f.CallReport(taken.lease, Progress{}), IsOk());
  EXPECT_EQ(Expired(f), 0);
}

TEST(TimeTest, ABatchThatIsALittleLateGivesNoTimeBack) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  f.Take("a");
  f.Pass(absl::Seconds(55));
  f.clock.Advance(absl::Seconds(6));  // The next batch was wanted after one of them.
  f.Run();
  EXPECT_EQ(Expired(f), 1);
}

TEST(TimeTest, AnIdleEngineHasNoWake) {
  EngineFixture f;
  EXPECT_EQ(f.engine().NextWake(), absl::InfiniteFuture());
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  EXPECT_LT(f.engine().NextWake(), absl::InfiniteFuture());
  const Assignment taken = f.Take("a");
  ASSERT_THAT(f.CallReport(taken.lease, Completed{.error = 1}), IsOk());
  EXPECT_EQ(f.engine().NextWake(), absl::InfiniteFuture());
}

TEST(TimeTest, AWatchThatSeesNoChangeIsNoWake) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  ASSERT_THAT(f.Call(PauseStudy{.name = "s"}), IsOk());
  f.StartWatch("s", f.VersionOf("s"));
  f.Run();
  EXPECT_EQ(f.engine().NextWake(), absl::InfiniteFuture());
}

TEST(TimeTest, AWaitingAskIsAWakeAtItsDeadline) {
  EngineFixture f;
  f.StartAsk("a", absl::Seconds(30));
  f.Run();
  EXPECT_EQ(f.engine().NextWake(), f.clock.Now() + absl::Seconds(30));
}

TEST(TimeTest, AnIdleEngineThatIsCalledAfterAYearTakesThatForNoPause) {
  EngineFixture f;
  f.clock.Advance(absl::Hours(24 * 365));
  CreateStudy create = Flat("s", 1);
  create.spec.limits.max_wall_time = absl::Seconds(10);
  ASSERT_THAT(f.Call(create), IsOk());
  f.Pass(absl::Seconds(10) - kInstant);
  EXPECT_EQ(CountOf<StudyEnded>(f.journal.events()), 0);
  f.Pass(absl::Seconds(1));
  EXPECT_EQ(CountOf<StudyEnded>(f.journal.events()), 1);
}

TEST(TimeTest, AfterARestartLeasesEndThoughNobodyCalls) {
  EngineFixture f;
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  f.Take("a");
  f.Pass(absl::Seconds(50));
  f.Restart();
  f.Pass(absl::Seconds(60) - kInstant);
  EXPECT_EQ(Expired(f), 0) << "each open lease has its full time again";
  f.Pass(kInstant);
  EXPECT_EQ(Expired(f), 1);
}

TEST(TimeTest, AClockBefore1970IsNoTrouble) {
  EngineFixture f;
  f.clock.Advance(absl::UnixEpoch() - absl::Hours(1) - f.clock.Now());
  f.Restart();
  ASSERT_THAT(f.Call(Flat("s", 1)), IsOk());
  f.Take("a");
  f.Pass(absl::Seconds(60));
  EXPECT_EQ(Expired(f), 1);
  EXPECT_EQ(f.Known(), f.Replayed());
}

}  // namespace
}  // namespace halving
