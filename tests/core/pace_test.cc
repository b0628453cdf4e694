// What people are told of time: the pace of a rung, stragglers, how busy a worker is.
#include "server/core/pace.h"

#include <optional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/busy_share.h"

namespace halving {
namespace {

using testing::DoubleNear;
using testing::Optional;

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

TEST(PaceTest, SaysNothingBeforeTheThird) {
  Pace pace;
  pace.Add(kStart, absl::Seconds(5));
  pace.Add(kStart, absl::Seconds(5));
  EXPECT_EQ(pace.MedianTime(), std::nullopt);
  EXPECT_EQ(pace.TimeFor(1, kStart + absl::Seconds(9)), std::nullopt);
  pace.Add(kStart, absl::Seconds(5));
  EXPECT_THAT(pace.MedianTime(), Optional(absl::Seconds(5)));
}

TEST(PaceTest, TheMedianIsNotMovedByAFewSlowOnes) {
  Pace pace;
  for (const int seconds : {10, 12, 11, 4000, 9}) pace.Add(kStart, absl::Seconds(seconds));
  EXPECT_THAT(pace.MedianTime(), Optional(absl::Seconds(11)));
}

TEST(PaceTest, OnlyTheLast64Count) {
  Pace pace;
  for (int i = 0; i < 100; ++i) pace.Add(kStart + absl::Seconds(i), absl::Seconds(1000));
  for (int i = 0; i < 64; ++i) pace.Add(kStart + absl::Seconds(1000 + i), absl::Seconds(2));
  EXPECT_THAT(pace.MedianTime(), Optional(absl::Seconds(2)));
  EXPECT_THAT(pace.TimeFor(64, kStart + absl::Seconds(1064)), Optional(absl::Seconds(64)));
}

TEST(PaceTest, AStandstillMakesItSlower) {
  Pace pace;
  for (int i = 0; i < 10; ++i) pace.Add(kStart + absl::Seconds(i), absl::Seconds(1));
  EXPECT_THAT(pace.TimeFor(10, kStart + absl::Seconds(10)), Optional(absl::Seconds(10)));
  EXPECT_THAT(pace.TimeFor(10, kStart + absl::Seconds(100)), Optional(absl::Seconds(100)));
}

TEST(PaceTest, APauseIsNoStandstill) {
  Pace pace;
  for (int i = 0; i < 10; ++i) pace.Add(kStart + absl::Seconds(i), absl::Seconds(1));
  pace.ResumeAt(kStart + absl::Hours(8));
  EXPECT_THAT(pace.TimeFor(10, kStart + absl::Hours(8) + absl::Seconds(1)),
              Optional(absl::Seconds(10)));
  Pace none;
  none.ResumeAt(kStart);
  EXPECT_EQ(none.MedianTime(), std::nullopt);
}

TEST(BusyShareTest, OfAWorkerThatAlwaysHasATrialIsOne) {
  BusyShare share;
  for (int i = 0; i < 10; ++i) {
    share.AddBusy(kStart + absl::Minutes(i), kStart + absl::Minutes(i + 1));
  }
  EXPECT_THAT(share.Share(kStart + absl::Minutes(10), std::nullopt), DoubleNear(1, 1e-9));
  EXPECT_THAT(share.Share(kStart + absl::Minutes(12), kStart + absl::Minutes(10)),
              DoubleNear(1, 1e-9));
}

TEST(BusyShareTest, OfEveryOtherMinuteIsAboutAHalf) {
  BusyShare share;
  for (int i = 0; i < 40; i += 2) {
    share.AddBusy(kStart + absl::Minutes(i), kStart + absl::Minutes(i + 1));
  }
  EXPECT_THAT(share.Share(kStart + absl::Minutes(40), std::nullopt), DoubleNear(0.5, 0.06));
}

TEST(BusyShareTest, WhatIsLongAgoHardlyCounts) {
  BusyShare share;
  share.AddBusy(kStart, kStart + absl::Hours(5));
  EXPECT_LT(share.Share(kStart + absl::Hours(6), std::nullopt), 0.001);
}

TEST(BusyShareTest, TimeAwayIsNeitherBusyNorIdle) {
  BusyShare share;
  share.AddBusy(kStart, kStart + absl::Minutes(5));
  share.SkipTo(kStart + absl::Minutes(10));
  EXPECT_THAT(share.Share(kStart + absl::Minutes(10), std::nullopt), DoubleNear(1, 1e-9));
}

TEST(BusyShareTest, OverlappingAndLateIntervalsCountOnce) {
  BusyShare share;
  share.AddBusy(kStart, kStart + absl::Minutes(2));
  share.AddBusy(kStart + absl::Minutes(1), kStart + absl::Minutes(2));
  share.AddBusy(kStart, kStart + absl::Minutes(1));
  EXPECT_THAT(share.Share(kStart + absl::Minutes(2), std::nullopt), DoubleNear(1, 1e-9));
  EXPECT_EQ(BusyShare().Share(kStart, std::nullopt), 0);
}

}  // namespace
}  // namespace halving
